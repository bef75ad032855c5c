"""``fraktal run`` and ``fraktal capabilities`` in real processes: good input and bad."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
from PIL import Image

from fraktal_kernel.cli.run import check_out
from fraktal_kernel.errors import InvalidInput
from tests.cli.terminal import COMMAND, one_sentence

SMALL = ("--width", 320, "--height", 240)


def test_a_picture_repeats_from_its_own_file(fraktal, folder):
    """A rendered PNG given as the scene gives the same pixels again, in its own size."""
    first = fraktal("run", "fractal.render", "--scene", "seahorse", *SMALL, "--out", "a.png")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("a.png: ")
    again = fraktal("run", "fractal.render", "--scene", "a.png", "--out", "b.png")
    assert again.returncode == 0, again.stderr
    with Image.open(folder / "a.png") as a, Image.open(folder / "b.png") as b:
        assert a.size == (320, 240) and a.tobytes() == b.tobytes()
    assert sorted(os.listdir(folder)) == ["a.png", "b.png"]


def test_the_result_can_be_had_as_json(fraktal, folder):
    """What another program reads stands alone on the standard output."""
    done = fraktal("run", "fractal.render", *SMALL, "--json", "--out", "a.png", "--max-iter", 50)
    told = json.loads(done.stdout)
    assert told["result"]["width_px"] == 320 and told["out"] == "a.png"
    assert told["artifacts"][0]["size_bytes"] == (folder / "a.png").stat().st_size


def test_without_a_file_the_result_is_printed_and_nothing_written(fraktal, folder):
    """What is made is only kept where that was asked for, and that is said."""
    done = fraktal("run", "fractal.render", *SMALL, "--max-iter", 50)
    assert json.loads(done.stdout)["height_px"] == 240 and "--out FILE keeps it" in done.stderr
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["fractal.rendr"], "did you mean 'fractal.render'"),
        (["nonsense"], "no capability named 'nonsense'"),
        (["--width", "3"], "name of a capability first"),
        (["fractal.render", "--widht", "3"], "did you mean 'width'"),
        (["fractal.render", "--width", "wide"], "width: given 'wide', expected a whole number"),
        (["fractal.render", "--width", "3.5"], "width: given '3.5'"),
        (["fractal.render", "--width", "nan"], "width: given 'nan'"),
        (["fractal.render", "--width", "0"], "width: given 0"),
        (["fractal.render", "--width", "-5"], "width: given -5"),
        (["fractal.render", "--width", "1000000000"], "1000000000"),
        (["fractal.render", "--height", "1000000000"], "1000000000"),
        (["fractal.render", "--width"], "width: given no value"),
        (["fractal.render", "--antialias", "9"], "antialias"),
        (["fractal.render", "--palette", "grue"], "no palette named 'grue'; there are: aurora"),
        (["fractal.render", "--scene", "nowhere"], "scene"),
        (["fractal.render", "--scene", "missing.png"], "missing.png"),
        (["fractal.render", "--scene", "broken.png"], "broken.png"),
        (["fractal.render", "--scene", "plain.png"], "plain.png"),
        (["fractal.render", "--scene", "{"], "scene"),
        (["fractal.render", "--scene", '{"formula": "1/(z - z)"}'], "divides by zero"),
        (["fractal.render", "--scene", "deep.json"], "deep.json is nested too deeply"),
        (["fractal.render", "--scene", "huge.toml"], "huge.toml is longer than"),
        (["fractal.render", "stray"], "given 'stray'"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_and_nothing_is_written(fraktal, folder, words, part):
    """Exit code 2, one sentence on the standard error, no file."""
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nthis is no picture")
    Image.new("RGB", (8, 8)).save(folder / "plain.png")
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "huge.toml").write_text('formula = "' + "z" * 3_000_000 + '"')
    before = sorted(os.listdir(folder))
    done = fraktal("run", *words, "--out", "out.png")
    assert done.returncode == 2, done.stderr
    assert part in one_sentence(done)
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("out", ["missing/a.png", "/proc/a.png", ".", "file.txt/a.png"])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(fraktal, folder, out):
    """A missing folder, one without rights, a folder itself: told before anything is computed."""
    (folder / "file.txt").write_text("keep me")
    done = fraktal("run", "fractal.render", "--width", 9000, "--height", 9000, "--out", out)
    assert done.returncode == 2 and "--out" in one_sentence(done)
    assert os.listdir(folder) == ["file.txt"] and (folder / "file.txt").read_text() == "keep me"
    assert "%" not in done.stderr, "no work had begun"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("fractal.render --out a.jpg", ".png"),
        ("fractal.poster --out a.png", ".tif or .tiff"),
        ("fractal.compute --out a.exr", ".npz"),
        ("fractal.film --codec prores --out a.mp4", ".mov"),
    ],
)
def test_no_file_is_named_as_another_kind(fraktal, folder, words, part):
    """A poster is no PNG because its name says so; told before anything is computed."""
    done = fraktal("run", *words.split())
    assert done.returncode == 2 and f"ends in {part} of what is given" in one_sentence(done)
    assert os.listdir(folder) == []


def test_a_file_that_does_not_fit_on_the_disk_is_refused(folder):
    """What it may take is compared with what is left, before any work."""
    check_out(folder / "a.png", 1_000_000)
    with pytest.raises(InvalidInput, match=r"may take .* has only .* left; choose"):
        check_out(folder / "a.png", 2**60)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("listens", ["true", "false"])
def test_ctrl_c_stops_the_work_and_leaves_nothing_behind(folder, tmp_path, listens, sent):
    """The process ends with 130 at Ctrl-C or a kill, be the work deaf or not, without a file."""
    own = {"FRAKTAL_DATA": str(tmp_path / "data")}
    own["FRAKTAL_CAPABILITY_MODULES"] = '["tests.capabilities"]'
    with subprocess.Popen(
        [*COMMAND, *f"run test.sleep --listens {listens} --out slept.json".split()],
        cwd=folder,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert "asleep" in process.stderr.readline()
        process.send_signal(sent)
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in errors and out == ""
    assert os.listdir(folder) == []


def test_a_poster_goes_on_after_a_kill_and_leaves_no_folder(folder, tmp_path):
    """Tiles lie beside the file, outlive a kill, and go with a process that is asked to end."""
    words = "run fractal.poster --scene full_set --width 9000 --height 9000 --out a.tif".split()

    def ended(sent, ready):
        with subprocess.Popen(
            [*COMMAND, *words],
            cwd=folder,
            env={**os.environ, "FRAKTAL_DATA": str(tmp_path / "data")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            until = time.monotonic() + 120
            while not ready():
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.02)
            process.send_signal(sent)
            process.wait(timeout=120)
        return process.returncode

    assert ended(signal.SIGKILL, lambda: list(folder.glob("*/scratch/*.part/journal"))) == -9
    (journal,) = folder.glob("*/scratch/poster.tif.part/journal")
    with journal.open("ab") as file:
        file.write(b"torn")  # who goes on cuts it off
    assert ended(signal.SIGTERM, lambda: b"torn" not in journal.read_bytes()) == 130
    assert os.listdir(folder) == []


def test_a_capability_that_breaks_is_a_failed_run(fraktal, folder):
    """An error nobody foresaw is told in one sentence with exit code 1."""
    (folder / "mine.py").write_text(
        "from pydantic import BaseModel\n"
        "from fraktal_kernel import Run, capability\n"
        "class Params(BaseModel):\n    kind: str = 'none'\n"
        "@capability('mine.work', title='Work')\n"
        "def work(params: Params, run: Run) -> dict[str, int]:\n"
        "    'Work, or break.'\n"
        "    if params.kind == 'break':\n        raise RuntimeError('the wheel came off')\n"
        "    if params.kind == 'ask':\n        run.ask('Go on?', ['yes', 'no'])\n"
        "    run.log('at work')\n"
        "    return {'answer': 42}\n"
    )
    os.environ["PYTHONPATH"], before = str(folder), os.environ["PYTHONPATH"]
    os.environ["FRAKTAL_CAPABILITY_MODULES"] = '["mine"]'
    try:
        broken = fraktal("run", "mine.work", "--kind", "break", "--out", "r.json")
        asked = fraktal("run", "mine.work", "--kind", "ask", "--out", "r.json")
        assert not (folder / "r.json").exists()
        no_file = fraktal("run", "mine.work", "--out", "r.png")
        good = fraktal("run", "mine.work", "--out", "r.json")
        listed = fraktal("capabilities")
    finally:
        os.environ["PYTHONPATH"] = before
        del os.environ["FRAKTAL_CAPABILITY_MODULES"]
    assert broken.returncode == 1 and "RuntimeError: the wheel came off" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert asked.returncode == 2 and "'Go on?'" in asked.stderr
    assert no_file.returncode == 1 and "made no file" in no_file.stderr
    assert good.returncode == 0 and "at work" in good.stderr
    assert json.loads((folder / "r.json").read_text()) == {"answer": 42}
    assert "mine.work" in listed.stdout


def test_capabilities_are_listed_and_each_shows_its_parameters(fraktal):
    """The list names all; one name tells types, units, defaults and examples that run."""
    listed = fraktal("capabilities")
    assert "fractal.render" in listed.stdout and "notebook.run" in listed.stdout
    one = fraktal("capabilities", "fractal.render")
    for part in ("--max-iter", "in px", "1024", "fraktal run fractal.render --scene seahorse"):
        assert part in one.stdout
    assert fraktal("run", "fractal.render", "--help").stdout == one.stdout
    every = json.loads(fraktal("capabilities", "--json").stdout)
    assert {"name", "schema", "examples", "needs"} <= set(every[0])
    unknown = fraktal("capabilities", "fractal.rendr")
    assert unknown.returncode == 2 and "did you mean" in one_sentence(unknown)


def test_help_and_version_are_there_for_every_command(fraktal):
    """Every command of the overview has a help text, and the version is told."""
    from fraktal_kernel.cli.app import COMMANDS

    overview = fraktal("--help")
    assert overview.returncode == 0 and overview.stdout == fraktal().stdout
    for name in COMMANDS:
        assert name in overview.stdout
        told = fraktal(name, "--help")
        assert told.returncode == 0 and "Usage" in told.stdout, name
    assert fraktal("--version").stdout.startswith("fraktal ")
    unknown = fraktal("jbos")
    assert unknown.returncode == 2 and "did you mean 'jobs'" in one_sentence(unknown)
    option = fraktal("jobs", "--nonsense")
    assert option.returncode == 2 and "--nonsense" in one_sentence(option)
