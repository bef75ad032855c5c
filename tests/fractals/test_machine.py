"""Machine code that is kept: found again, made again when broken."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fraktal_kernel.fractals import cache
from fraktal_kernel.fractals.machine import Kernel

HERE = "tests.fractals.test_machine"


def dot(a, b, scale):
    """Multiply and add up: a kernel with arrays of two kinds of axes."""
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] * b[j]
    return total * scale


def adder(amount):
    """Make a kernel that adds a constant, in place."""

    def add(values):
        for k in range(values.shape[0]):
            values[k] += amount

    return add


def growing(values):
    """Do what a kernel may not: allocate."""
    return np.empty(values.shape[0])[0]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what these tests compile in a folder of their own."""
    monkeypatch.setenv("FRAKTAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


def dot_kernel() -> Kernel:
    """Give a kernel that has not been called yet."""
    return Kernel(HERE, "dot", "float64(float64[:, ::1], float64[::1], int64)")


def test_arrays_and_numbers_arrive_as_they_are() -> None:
    """Shapes, strides, kinds and the result cross over."""
    a, b = np.arange(12.0).reshape(3, 4), np.array([1.0, -2.0, 0.5, 3.0])
    assert dot_kernel()(a, b, 2) == pytest.approx(2 * (a @ b).sum())


def test_a_factory_makes_one_kernel_for_each_of_its_arguments(own_cache: Path) -> None:
    """What differs in the arguments alone is kept apart."""
    values = np.zeros(3)
    for amount in (1.5, 2.5):
        Kernel(HERE, "adder", "void(float64[::1])", args=(amount,))(values)
    assert values.tolist() == [4.0] * 3
    assert len(list(own_cache.glob("adder-*.o"))) == 2


def test_what_is_broken_on_disk_is_made_again(own_cache: Path) -> None:
    """Half a file, or a changed one, is not run but replaced."""
    a, b = np.ones((2, 2)), np.ones(2)
    assert dot_kernel()(a, b, 1) == 4.0
    (path,) = own_cache.glob("dot-*.o")
    whole = path.read_bytes()
    for broken in (b"", whole[:40], whole[:-1], whole[:100] + b"\0" + whole[101:]):
        path.write_bytes(broken)
        assert dot_kernel()(a, b, 1) == 4.0
        kept = path.read_bytes()
        assert kept != broken
        assert hashlib.sha256(kept[32:]).digest() == kept[:32]


def test_a_kernel_that_allocates_is_refused(own_cache: Path) -> None:
    """It would call into numba, which a later process does not load."""
    with pytest.raises(Exception, match="No implementation of function"):
        Kernel(HERE, "growing", "float64(float64[::1])")(np.ones(3))
    assert not list(own_cache.glob("growing-*"))


@pytest.mark.parametrize(
    "value", [np.ones(3), np.ones((3, 3), np.float32), np.ones((4, 4))[::2, ::2], [[1.0]], None]
)
def test_arrays_of_another_kind_are_refused(value: object) -> None:
    """A kernel reads memory as it is told to; what is not that never reaches it."""
    with pytest.raises(TypeError, match="expected a contiguous 2-d array of float64"):
        dot_kernel()(value, np.ones(3), 1)


def test_a_folder_that_others_may_write_to_is_not_trusted(own_cache: Path) -> None:
    """Machine code from there could be anybody's."""
    own_cache.mkdir(parents=True)
    own_cache.chmod(0o777)
    assert cache.cache_folder("kernels") is None
    assert dot_kernel()(np.ones((2, 2)), np.ones(2), 1) == 4.0
    assert not list(own_cache.iterdir())


def test_no_folder_at_all_only_costs_the_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be written, kernels are compiled each time."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FRAKTAL_CACHE", str(tmp_path / "file"))
    assert dot_kernel()(np.ones((2, 2)), np.ones(2), 1) == 4.0


def test_what_nobody_used_for_long_is_forgotten(own_cache: Path) -> None:
    """Old code goes when new code comes."""
    own_cache.mkdir(parents=True, mode=0o700)
    old = own_cache / "old-0.o"
    old.write_bytes(b"")
    os.utime(old, (1e9, 1e9))
    dot_kernel()(np.ones((2, 2)), np.ones(2), 1)
    assert not old.exists()


def test_processes_that_start_together_do_not_disturb_each_other(own_cache: Path) -> None:
    """Each gets a whole kernel, whoever writes it."""
    program = (
        "import numpy as np\n"
        "from tests.fractals.test_machine import dot_kernel\n"
        "print(dot_kernel()(np.ones((2, 2)), np.ones(2), 1))\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(3)
    ]
    assert [one.communicate(timeout=240)[0].strip() for one in running] == ["4.0"] * 3
    assert len(list(own_cache.iterdir())) == 1
