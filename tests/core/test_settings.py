"""What the settings promise: who wins, where a value came from, and what a mistake reads like."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fraktal_kernel.core.database import Database
from fraktal_kernel.core.settings import PREFIX, Settings, default_data, load_settings
from fraktal_kernel.errors import InvalidInput, UnknownName


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty workspace and an environment that names it and nothing else."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FRAKTAL_DATA", str(tmp_path))
    return tmp_path


def test_an_argument_beats_the_environment_beats_the_file_beats_the_default(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source wins over those behind it, and each value says where it came from."""
    seen = []

    def look(**arguments: int) -> None:
        settings = load_settings(**arguments)
        seen.append((settings.port, settings.sources["port"].partition(" ")[0]))

    look()
    (bare / "fraktal.toml").write_text("port = 2\n")
    look()
    monkeypatch.setenv("FRAKTAL_PORT", "3")
    look()
    look(port=4)
    assert seen == [(8081, "default"), (2, "file"), (3, "environment"), (4, "argument")]


def test_sources_name_the_file_and_the_variable(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who wonders about a value reads where to change it."""
    (bare / "fraktal.toml").write_text("workers = 3\n")
    monkeypatch.setenv("FRAKTAL_LOG_LEVEL", "DEBUG")
    settings = load_settings(lab_port=0)
    sources = settings.sources
    assert set(sources) == set(Settings.model_fields)
    assert sources["workers"] == f"file {bare / 'fraktal.toml'}"
    assert sources["log_level"] == "environment FRAKTAL_LOG_LEVEL"
    assert sources["data"] == "environment FRAKTAL_DATA"
    assert (sources["lab_port"], sources["port"]) == ("argument", "default")
    assert (settings.workers, settings.log_level, settings.lab_port) == (3, "debug", 0)


def test_the_file_is_that_of_the_workspace_that_was_asked_for(tmp_path: Path) -> None:
    """A workspace given as an argument brings its own file."""
    there = tmp_path / "there"
    there.mkdir()
    (there / "fraktal.toml").write_text("port = 5\n")
    assert load_settings(data=there).port == 5
    assert load_settings().port == 8081


def test_engines_are_in_the_workspace_unless_named(bare: Path) -> None:
    """Database and store lie in the workspace root; a URL takes them elsewhere."""
    settings = load_settings()
    assert str(settings.database) == f"sqlite:///{bare}/fraktal.db"
    assert settings.store == str(bare / "store")
    odd = bare / "why? #1"
    assert Database(load_settings(data=odd).database).file == odd / "fraktal.db"
    assert load_settings(database_url="postgresql://host/db").database == "postgresql://host/db"
    assert load_settings(store_url="s3://bucket").store == "s3://bucket"


def test_the_workspace_is_an_absolute_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that changes its folder keeps its workspace."""
    monkeypatch.setenv("FRAKTAL_DATA", "~/somewhere")
    assert load_settings().data == Path.home().resolve() / "somewhere"
    assert load_settings(data="here").data == Path.cwd() / "here"
    assert default_data().is_absolute()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "http", "setting port (FRAKTAL_PORT): given 'http'"),
        ("PORT", "70000", "setting port (FRAKTAL_PORT): given '70000'"),
        ("WORKERS", "0", "setting workers (FRAKTAL_WORKERS): given '0'"),
        ("LEASE_S", "nan", "setting lease_s (FRAKTAL_LEASE_S): given 'nan'"),
        ("LEASE_S", "inf", "setting lease_s (FRAKTAL_LEASE_S): given 'inf'"),
        ("HEARTBEAT_S", "99", "expected less than lease_s, which is 15"),
        ("LOG_LEVEL", "loud", "expected debug, info, warning, error or critical"),
        ("CAPABILITY_MODULES", "a,b", "FRAKTAL_CAPABILITY_MODULES: given 'a,b', expected JSON"),
        ("STORE_OPTIONS", "{", "FRAKTAL_STORE_OPTIONS: given '{', expected JSON"),
        (
            "ALLOWED_HOSTS",
            '["lab.example:8081"]',
            "'lab.example:8081' is no host as browsers name it",
        ),
        ("ALLOWED_ORIGINS", '["lab.example"]', "'lab.example' is no origin as browsers name it"),
        ("PROT", "1", "no setting named 'prot'; did you mean 'port'?"),
    ],
)
def test_a_wrong_variable_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """The sentence names the variable, what was given and what was expected."""
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(InvalidInput) as refusal:
        load_settings()
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value) and str(refusal.value)[-1] in ".?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"prot = 1", "no setting named 'prot'; did you mean 'port'?"),
        (b"port = 'x'", "setting port (FRAKTAL_PORT): given 'x'"),
        (b"port = [", "fraktal.toml is not valid TOML"),
        (b"\xff\xfe", "fraktal.toml is not valid TOML"),
        (b"data = '/elsewhere'", "remove that line and set FRAKTAL_DATA"),
        (b"[port]\na = 1", "setting port (FRAKTAL_PORT): given {'a': 1}"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(bare: Path, text: bytes, words: str) -> None:
    """The settings file is checked as strictly as all else."""
    (bare / "fraktal.toml").write_bytes(text)
    with pytest.raises(InvalidInput) as refusal:
        load_settings()
    assert words in str(refusal.value) and "\n" not in str(refusal.value)


def test_hosts_and_origins_are_taken_as_browsers_name_them(bare: Path) -> None:
    """Names, IPv4 and IPv6 with and without brackets; origins with and without a port."""
    hosts = ["Lab.example", "10.0.0.5", "fe80::1", "[2001:db8::5]", "my_host-2"]
    origins = ["https://lab.example", "http://[::1]:3000", "http://10.0.0.5:80/"]
    settings = load_settings(allowed_hosts=hosts, allowed_origins=origins)
    assert (settings.allowed_hosts, settings.allowed_origins) == (hosts, origins)


def test_a_file_that_cannot_be_read_is_a_sentence(bare: Path) -> None:
    """What stands where the settings file should is named, with the reason."""
    (bare / "fraktal.toml").mkdir()
    with pytest.raises(InvalidInput, match=r"fraktal\.toml cannot be read \(Is a directory\)"):
        load_settings()


def test_a_wrong_argument_is_refused() -> None:
    """Code is told too."""
    with pytest.raises(UnknownName, match="did you mean 'workers'"):
        load_settings(worker=1)
    with pytest.raises(InvalidInput, match="given -1"):
        load_settings(port=-1)


def test_other_programs_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that resembles no setting may belong to somebody else."""
    monkeypatch.setenv("FRAKTAL_BENCH_RUNS", "3")
    load_settings()


def test_settings_do_not_change(bare: Path) -> None:
    """Whoever got settings can rely on them."""
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]
