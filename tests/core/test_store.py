"""One contract for every place that keeps artifacts, and what only some of them can suffer."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraktal_kernel.core.store import Store, check_key
from fraktal_kernel.core.store.remote import UPLOAD_PART_BYTES
from fraktal_kernel.core.store.store import CHUNK_BYTES
from fraktal_kernel.errors import Conflict, InvalidInput, MissingExtra, NotFound, Unavailable

MIB = 1024**2
one_store_many_examples = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give an empty store of each kind."""
    if request.param == "s3":
        url = request.getfixturevalue("s3_store_url")
        return Store(url, **request.getfixturevalue("s3_store_options"))
    if request.param == "memory":
        return Store(f"memory://{uuid.uuid4().hex}")
    return Store(tmp_path / "store")


@pytest.fixture
def s3_store(s3_store_url: str, s3_store_options: dict[str, str]) -> Store:
    """Give an empty store on S3."""
    return Store(s3_store_url, **s3_store_options)


def noise(size: int) -> bytes:
    """Make bytes that no two pieces of a test share."""
    return random.Random(size).randbytes(size)


def young_leftovers(store: Store) -> int:
    """Sweep with an age that no leftover of this test has reached; say what was removed."""
    # The S3 server of the tests dates every upload to 2010.
    age_s = 40 * 365 * 86_400 if store.url.startswith("s3://") else 24 * 3600
    return store.sweep(older_than_s=age_s)


def leftovers(store: Store) -> int:
    """Count what broken writes left behind, by sweeping it."""
    return store.sweep(older_than_s=-60)


# --- the contract -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES + 1, UPLOAD_PART_BYTES + 7])
def test_what_was_put_is_read_back_with_its_hash(store: Store, size: int) -> None:
    """Every size comes back as it was, and size and hash are those of hashlib."""
    data = noise(size)
    stored = store.put("a/b.bin", data)
    assert (stored.key, stored.size_bytes) == ("a/b.bin", size)
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    assert store.read("a/b.bin") == data
    assert store.size("a/b.bin") == size
    assert leftovers(store) == 0


@pytest.mark.parametrize(
    "give",
    [bytes, bytearray, memoryview, io.BytesIO, lambda data: iter([data[:5], b"", data[5:]])],
    ids=["bytes", "bytearray", "memoryview", "file", "pieces"],
)
def test_bytes_files_and_pieces_are_the_same_to_a_store(
    store: Store, give: Callable[[bytes], object]
) -> None:
    """However the data is given, the same object stands there."""
    data = noise(3 * CHUNK_BYTES)
    assert store.put("x", give(data)).sha256 == hashlib.sha256(data).hexdigest()  # type: ignore[arg-type]
    assert store.read("x") == data


@pytest.mark.parametrize("wrong", ["text", 7, None, ["text"]])
def test_what_is_not_bytes_is_refused_and_leaves_nothing(store: Store, wrong: object) -> None:
    """Text and numbers are refused with a sentence, and no object appears."""
    with pytest.raises(InvalidInput, match="bytes"):
        store.put("x", wrong)  # type: ignore[arg-type]
    assert store.list() == []
    assert leftovers(store) == 0


def test_a_second_put_takes_the_place_of_the_first(store: Store) -> None:
    """The newest content of a key is what is read."""
    store.put("x", b"first, and longer")
    store.put("x", b"second")
    assert store.read("x") == b"second"
    assert store.list() == ["x"]


@one_store_many_examples
@given(st.text(max_size=40), st.binary(max_size=50))
def test_every_key_that_is_accepted_is_kept_everywhere(store: Store, key: str, data: bytes) -> None:
    """A key is either refused at the door or works for put, list, read and delete."""
    try:
        check_key(key)
    except InvalidInput:
        with pytest.raises(InvalidInput):
            store.put(key, data)
        return
    store.put(key, data)
    assert store.read(key) == data
    assert store.list() == [key]
    store.delete(key)
    assert store.list() == []


@pytest.mark.parametrize(
    "key",
    [
        "plot[1].png",
        "a b.txt",
        "100%.txt",
        "{x}",
        "#1",
        "é/ñ/日本.png",
        ".hidden",
        "a..b",
        "~",
        "-r",
    ],
)
def test_odd_but_honest_names_are_kept(store: Store, key: str) -> None:
    """Names that people give to files work, whatever a shell or a URL would make of them."""
    store.put(f"jobs/{key}", b"x")
    assert store.list("jobs") == [f"jobs/{key}"]
    assert store.read(f"jobs/{key}") == b"x"


@pytest.mark.parametrize(
    "key",
    [
        *("", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", ".", "a/./b"),
        *("C:\\x", "a\\b", "s3://b/x", "a?versionId=1", "a*"),
        *("a\0b", "a\nb", "\x7f", "\ud800", "a\u2028b", "x" * 201, "y/" * 450 + "y"),
        *(".fraktal-part-1", "a/.fraktal-part-1/b"),
    ],
)
def test_keys_that_could_do_harm_are_refused(store: Store, key: str) -> None:
    """Each call refuses a key that leads out, hides or cannot be stored, and says why."""
    calls = [store.open, store.read, store.exists, store.delete, store.size, store.stream]
    for call in [*calls, lambda key: store.put(key, b"x")]:
        with pytest.raises(InvalidInput, match="artifact key"):
            call(key)
    assert store.list() == []


def test_nothing_is_seen_of_a_write_until_it_is_whole(store: Store) -> None:
    """In the midst of a write the key is absent, and an older object is still read whole."""
    store.put("old", b"old")
    seen = []

    def pieces() -> Iterator[bytes]:
        for _ in range(20):  # more than one part of an upload
            yield bytes(MIB)
            seen.append((store.exists("new"), store.list(), store.read("old")))

    store.put("new", pieces())
    assert set(map(str, seen)) == {str((False, ["old"], b"old"))}
    store.put("old", pieces())
    assert store.list() == ["new", "old"]
    assert store.size("old") == 20 * MIB


@pytest.mark.parametrize("pieces", [1, 18], ids=["small", "several parts"])
def test_a_source_that_breaks_leaves_the_old_object_and_nothing_else(
    store: Store, pieces: int
) -> None:
    """The source's own error comes through, the older object stands, no leftover remains."""

    def broken() -> Iterator[bytes]:
        for _ in range(pieces):
            yield bytes(MIB)
        raise ZeroDivisionError("the source broke")

    store.put("x", b"old")
    for key in ("x", "y"):
        with pytest.raises(ZeroDivisionError):
            store.put(key, broken())
    assert store.list() == ["x"]
    assert store.read("x") == b"old"
    assert leftovers(store) == 0


@one_store_many_examples
@given(st.data())
def test_ranges_are_slices(store: Store, data: st.DataObject) -> None:
    """Streaming from start to end gives what slicing gives."""
    whole = noise(2 * CHUNK_BYTES + 3)
    if not store.exists("x"):
        store.put("x", whole)
    edge = st.one_of(
        st.integers(0, len(whole) + 5), st.sampled_from([0, CHUNK_BYTES, len(whole) - 1])
    )
    start, end = sorted([data.draw(edge), data.draw(edge)])
    assert b"".join(store.stream("x", start, end)) == whole[start:end]
    assert b"".join(store.stream("x", start)) == whole[start:]
    assert all(len(piece) <= CHUNK_BYTES for piece in store.stream("x", start))


@pytest.mark.parametrize("start, end", [(-1, None), (5, 4)])
def test_ranges_that_are_none_are_refused(store: Store, start: int, end: int | None) -> None:
    """A negative start, or an end before it, is refused."""
    store.put("x", b"hello")
    with pytest.raises(InvalidInput, match="no range"):
        store.stream("x", start, end)


def test_an_open_object_can_be_sought_in(store: Store) -> None:
    """What is opened is an ordinary binary file."""
    store.put("x", b"0123456789")
    with store.open("x") as file:
        file.seek(4)
        assert file.read(3) == b"456"
        assert file.tell() == 7
        file.seek(-1, os.SEEK_END)
        assert file.read() == b"9"


def test_what_is_not_there_is_told_before_the_first_byte(store: Store) -> None:
    """Each way to read says NotFound at once, for absent keys and for folders alike."""
    store.put("jobs/7/x", b"x")
    for key in ("absent", "jobs/absent", "jobs", "jobs/7"):
        for call in (store.open, store.read, store.size, store.stream):
            with pytest.raises(NotFound, match=key):
                call(key)
        assert not store.exists(key)
        store.delete(key)  # what is not there is removed already
    assert store.list() == ["jobs/7/x"]


def test_listing_a_folder_gives_what_lies_below_it_and_no_neighbours(store: Store) -> None:
    """``jobs/1`` has nothing of ``jobs/10``; the list is sorted."""
    keys = ["jobs/1/a", "jobs/1/b/c", "jobs/10/a", "jobs/1.txt", "top"]
    for key in keys:
        store.put(key, b"x")
    assert store.list("jobs/1") == ["jobs/1/a", "jobs/1/b/c"]
    assert store.list() == sorted(keys)
    assert store.list("nothing/here") == []
    assert store.list("top") == []


def test_a_key_that_is_file_and_folder_at_once_loses_nothing(store: Store) -> None:
    """Either both objects stand, as on S3, or the second is refused and the first stands."""
    store.put("a", b"file")
    with suppress(Conflict):
        store.put("a/b", b"below")
        assert store.read("a/b") == b"below"
    assert store.read("a") == b"file"
    store.put("c/d", b"below")
    with suppress(Conflict):
        store.put("c", b"file")
        assert store.read("c") == b"file"
    assert store.read("c/d") == b"below"
    assert leftovers(store) == 0


def test_many_writers_of_one_key_leave_one_of_them_whole(store: Store) -> None:
    """Threads that write and read one key at once never see a mixture."""
    contents = [bytes([i]) * (100_000 + i) for i in range(6)]
    store.put("x", contents[0])
    seen: list[bytes] = []

    def write_and_read(mine: bytes) -> None:
        for _ in range(3):
            store.put("x", mine)
            seen.append(store.read("x"))

    threads = [threading.Thread(target=write_and_read, args=(each,)) for each in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 18
    assert set(seen) <= set(contents)
    assert leftovers(store) == 0


def test_a_healthy_store_passes_its_check_and_keeps_no_probe(store: Store) -> None:
    """The check writes, reads and removes its probe."""
    store.check()
    assert store.list() == []


def test_a_sweep_spares_what_is_young_and_what_is_whole(store: Store) -> None:
    """A write that is still going on survives a sweep of the usual age."""

    def pieces() -> Iterator[bytes]:
        for _ in range(18):
            yield bytes(MIB)
        assert young_leftovers(store) == 0

    store.put("x", pieces())
    assert leftovers(store) == 0
    assert store.size("x") == 18 * MIB


def test_a_store_travels_to_another_process(store: Store) -> None:
    """A store can be pickled, so that workers open the same one."""
    store.put("x", b"x")
    assert pickle.loads(pickle.dumps(store)).read("x") == b"x"


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_memory_stays_flat(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Writing and streaming 80 MiB takes a few upload parts of memory, and no more."""
    store = Store(tmp_path) if kind == "folder" else request.getfixturevalue("s3_store")
    store.check()  # imports are not what is measured
    tracemalloc.start()
    try:
        store.put("x", (bytes(MIB) for _ in range(80)))
        assert sum(map(len, store.stream("x"))) == 80 * MIB
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (8 * MIB if kind == "folder" else 4 * UPLOAD_PART_BYTES)


# --- killed in the midst ------------------------------------------------------------------

WRITE_AND_HANG = """
import sys, time
from fraktal_kernel.core.store import Store
def pieces():
    for _ in range(40):
        yield b"n" * 1024**2
    print("half", flush=True)
    time.sleep(600)
Store({url!r}, **{options!r}).put("x", pieces())
"""
WRITE_FOR_EVER = """
from fraktal_kernel.core.store import Store
store = Store({url!r})
print("begun", flush=True)
n = 0
while True:
    n += 1
    store.put("x", (bytes([n % 251]) * 300_000 for _ in range(10)))
"""


def start(script: str) -> subprocess.Popen[str]:
    """Start a script and wait for its first line."""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline(), "the script ended before it began"
    return child


def kill(child: subprocess.Popen[str]) -> None:
    """Kill at once, as a power cut or the out-of-memory killer would."""
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert child.stdout is not None
    child.stdout.close()


@pytest.mark.system
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_writer_that_is_killed_leaves_the_old_object_and_a_leftover_that_is_swept(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """After SIGKILL in mid-write the old object is read, and sweeping gives the space back."""
    store = Store(tmp_path / "store") if kind == "folder" else request.getfixturevalue("s3_store")
    store.put("x", b"old")
    child = start(WRITE_AND_HANG.format(url=store.url, options=store.options))
    assert store.read("x") == b"old"
    kill(child)
    assert store.read("x") == b"old"
    assert store.list() == ["x"]
    assert young_leftovers(store) == 0, "a leftover may be a write that is still going on"
    assert leftovers(store) == 1
    assert leftovers(store) == 0
    assert store.read("x") == b"old"


@pytest.mark.system
def test_kills_at_random_moments_never_show_a_half_file(tmp_path: Path) -> None:
    """Whenever a writer of ever new versions dies, one whole version stands."""
    store = Store(tmp_path / "store")
    store.put("x", bytes(3_000_000))
    for seed in range(8):
        child = start(WRITE_FOR_EVER.format(url=store.url))
        threading.Event().wait(random.Random(seed).uniform(0, 0.1))
        kill(child)
        found = store.read("x")
        assert len(found) == 3_000_000
        assert found == found[:1] * len(found)
        assert store.list() == ["x"]
    leftovers(store)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["x"]


# --- full disks ---------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a real file system of 2 MiB."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may mount the small disk that this test fills")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"this machine does not let us mount: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_gets_its_space_back(small_disk: Path) -> None:
    """Data that does not fit is refused in a sentence, older objects stand, space is free again."""
    store = Store(small_disk / "store")
    store.put("x", b"old")
    for key in ("x", "y"):
        with pytest.raises(Unavailable, match=r"full.*free some space"):
            store.put(key, noise(3 * MIB))
    assert store.read("x") == b"old"
    assert store.list() == ["x"]
    assert leftovers(store) == 0
    store.put("y", noise(MIB))
    assert store.read("y") == noise(MIB)
    with pytest.raises(Unavailable, match="full"):
        store.put("z", (noise(60_000) for _ in range(40)))
    assert store.list() == ["x", "y"]


def test_a_check_finds_a_full_disk(small_disk: Path) -> None:
    """A store that cannot take one small probe is not healthy."""
    store = Store(small_disk)
    store.check()
    with pytest.raises(OSError, match="No space"), (small_disk / "filler").open("wb") as file:
        file.write(bytes(3 * MIB))
    with pytest.raises(Unavailable, match="full"):
        store.check()


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(tmp_path: Path) -> None:
    """Where the system allows no larger file, the write is refused and leaves nothing."""
    script = (
        "import resource, signal, sys\n"
        "from fraktal_kernel.core.store import Store\n"
        "from fraktal_kernel.errors import Unavailable\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "store = Store(sys.argv[1])\n"
        "try:\n    store.put('x', bytes(2_000_000))\n"
        "except Unavailable as error:\n    print(error, store.list(), store.sweep(-60))\n"
    )
    assert resource.RLIMIT_FSIZE is not None
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "over its quota" in done.stdout
    assert done.stdout.endswith("[] 0\n")


# --- what each kind may suffer ------------------------------------------------------------


def test_a_link_inside_a_folder_does_not_lead_out(tmp_path: Path) -> None:
    """A key that runs through a link to elsewhere is refused for reading and writing."""
    store = Store(tmp_path / "store")
    store.put("x", b"x")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "store" / "out").symlink_to(tmp_path)
    (tmp_path / "store" / "direct").symlink_to(tmp_path / "secret")
    for key in ("out/secret", "direct"):
        for call in (store.read, store.size, store.delete, lambda key: store.put(key, b"x")):
            with pytest.raises(InvalidInput, match="leads out"):
                call(key)
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    """A store below what is a file says that it cannot be there."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises((Conflict, Unavailable)):
        Store(tmp_path / "file" / "store").check()


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    """``file://`` and a plain path are the same store."""
    Store(f"file://{tmp_path}/store").put("x", b"x")
    assert Store(str(tmp_path / "store")).read("x") == b"x"
    assert (tmp_path / "store" / "x").read_bytes() == b"x"


def test_a_sweep_removes_empty_folders(tmp_path: Path) -> None:
    """Folders whose objects were all deleted go, the others and the root stay."""
    store = Store(tmp_path / "store")
    store.put("jobs/1/x", b"x")
    store.put("jobs/2/x", b"x")
    store.delete("jobs/1/x")
    store.sweep(older_than_s=-60)
    assert sorted(path.name for path in (tmp_path / "store").rglob("*")) == ["2", "jobs", "x"]
    store.put("jobs/1/x", b"again")
    assert store.read("jobs/1/x") == b"again"


def test_a_server_that_is_away_is_told_in_one_sentence() -> None:
    """No S3 server at the address: Unavailable, with the address and without the secret."""
    store = Store("s3://bucket/x", endpoint_url="http://127.0.0.1:9", key="k", secret="hunter2")
    for call in (store.check, store.list, lambda: store.read("x"), lambda: store.put("x", b"x")):
        with pytest.raises(Unavailable, match="s3://bucket/x") as told:
            call()
        assert "hunter2" not in str(told.value)


def test_a_bucket_that_does_not_exist_is_told(s3_store_options: dict[str, str]) -> None:
    """Writing to no bucket is Unavailable and says what to create."""
    with pytest.raises(Unavailable, match="bucket"):
        Store("s3://no-such-bucket/x", **s3_store_options).check()


@pytest.mark.parametrize(
    "url, words", [("gopher://x/y", "gopher"), ("s3://", "no bucket"), ("s3:///x", "no bucket")]
)
def test_a_url_that_cannot_be_a_store_is_bad_input(url: str, words: str) -> None:
    """An unknown kind of store, or an S3 URL without a bucket, is refused."""
    with pytest.raises(InvalidInput, match=words):
        Store(url, key="k", secret="s").put("x", b"x")


def test_a_missing_package_is_told_with_the_command_that_installs_it() -> None:
    """Without s3fs the error names the extra."""
    script = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from fraktal_kernel.core.store import Store\n"
        "from fraktal_kernel.errors import MissingExtra\n"
        "try:\n    Store('s3://bucket').check()\n"
        "except MissingExtra as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "pip install 'fraktal[s3]'" in done.stdout, done.stderr
    assert issubclass(MissingExtra, Unavailable)


def test_a_password_in_the_url_is_not_shown() -> None:
    """Neither the representation nor an error shows the password of a URL."""
    store = Store("gopher://me:hunter2@host/x")
    with pytest.raises(InvalidInput) as told:
        store.check()
    assert "hunter2" not in f"{store!r} {store.name} {told.value}"


def test_a_folder_needs_no_fsspec(tmp_path: Path) -> None:
    """The default store works without importing fsspec, whose import takes longer than a job."""
    script = (
        "import sys\nfrom fraktal_kernel.core.store import Store\n"
        "Store(sys.argv[1]).check()\nprint('fsspec' in sys.modules)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
