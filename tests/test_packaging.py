"""What installs Fraktal: the pins, conda's list, the Makefile and the installer agree."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
import zipfile
from pathlib import Path
from types import ModuleType
from urllib.parse import urljoin

import httpx
import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
UV = Path(sys.executable).parent / "uv"
PACKAGES = Path(sysconfig.get_path("purelib"))
PINS = [Requirement(line) for line in LOCK.splitlines() if line and line[0] not in "# "]


def installer() -> ModuleType:
    """Load ``.ci/install.py``, which is a script."""
    spec = importlib.util.spec_from_file_location("install", ROOT / ".ci" / "install.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tracked() -> list[Path]:
    """List the files under version control that hold text of ours."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def test_every_requirement_has_a_pin_that_fits() -> None:
    """``requirements.lock`` pins each package of pyproject.toml, extras included, within bounds."""
    pins: dict[str, list[Requirement]] = {}
    for pin in PINS:
        pins.setdefault(pin.name.lower(), []).append(pin)
    extras = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]:
        need = Requirement(line)
        if need.name == "fraktal":
            continue
        for pin in pins[need.name.lower()]:
            version = next(iter(pin.specifier)).version
            assert need.specifier.contains(version), f"{need} and {pin}"


def test_every_pin_is_exact() -> None:
    """``requirements.lock`` holds exact versions, and neither an address nor a path."""
    assert len(PINS) > 200
    for pin in PINS:
        assert [part.operator for part in pin.specifier] == ["=="], pin
        assert pin.url is None
    assert not re.search(r"://|^-|^/|file:", LOCK, re.MULTILINE)


def test_torch_is_pinned_without_a_build() -> None:
    """One pin of torch serves both builds; the installer says which is taken."""
    pin = next(pin for pin in PINS if pin.name == "torch")
    assert str(pin.specifier) == "==2.13.0"
    assert pin.specifier.contains("2.13.0+cpu")


def test_conda_users_get_the_same() -> None:
    """``environment.yml`` names what pyproject.toml names, bound by bound."""
    parts = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    wanted = next(part["pip"] for part in parts if isinstance(part, dict))
    assert wanted[0] == "--constraint requirements.lock"
    assert wanted[-1] == "--editable ."
    assert wanted[1:-1] == PROJECT["dependencies"]
    assert f"python{PROJECT['requires-python']}" in parts


def test_the_default_installation_has_no_torch() -> None:
    """What needs torch stays in extras, so that nobody downloads it without using it."""
    names = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert not names & {"torch", "torchaudio", "coqui-tts", "faster-whisper", "vosk"}


def test_no_file_names_a_registry() -> None:
    """No file under version control holds the address of a package registry."""
    names = [b"files.pythonhosted", b"pypi.org", b"registry.npmjs", b"download.pytorch"]
    for path in tracked():
        if path != Path(__file__):
            content = path.read_bytes()
            assert not [name for name in names if name in content], path


def test_pips_configuration_reaches_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """find-links, indexes, certificate and timeout of pip are handed to uv; environment first."""
    install = installer()
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nfind-links = /one /two\nindex-url = http://127.0.0.1:9/simple\n"
        "extra-index-url = file:///three\ncert = /ca.pem\ntimeout = 90\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name in ("SSL_CERT_FILE", "UV_HTTP_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setattr(install, "PYTHON", sys.executable)

    def options() -> str:
        return " ".join(install.uv_options(install.pip_configuration()))

    assert "--find-links /one --find-links /two" in options()
    assert "--index file:///three" in options()
    assert "--default-index http://127.0.0.1:9/simple" in options()
    environment = install.uv_environment(install.pip_configuration())
    assert environment == {"SSL_CERT_FILE": "/ca.pem", "UV_HTTP_TIMEOUT": "90"}
    monkeypatch.setenv("PIP_FIND_LINKS", "/four")
    assert "--find-links /four" in options()
    assert "/one" not in options()


def test_what_is_installed_is_not_installed_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A second ``make run`` starts no installer; a further extra does."""
    install = installer()
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(install, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(install, "UV", Path("/bin/true"))
    monkeypatch.setattr(install, "make_venv", lambda: None)
    install.install({"charts"}, "")
    assert "installing .[charts]" in capfd.readouterr().err
    install.install(set(), "")
    install.install({"charts"}, "")
    assert capfd.readouterr().err == ""
    install.install({"s3"}, "")
    assert "installing .[charts,s3]" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch has one build")
@pytest.mark.parametrize(("build", "rule"), [("cpu", "torch==2.13.0+cpu"), ("cuda", "!=")])
def test_a_build_of_torch_is_held(
    build: str, rule: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The resolver gets a rule that admits the chosen build of torch and not the other."""
    install = installer()
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(install, "UV", Path("/bin/false"))  # no wheel at hand
    options = install.torch_options(build, [])
    assert rule in (tmp_path / "torch.txt").read_text()
    assert ("--torch-backend" in options) == (build == "cpu")


def test_without_root_the_command_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a Debian package is missing and we may not install it, we say what to type."""
    install = installer()
    monkeypatch.setattr(install.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match=r"type: sudo apt-get install -y python3\.11-venv"):
        install.debian_packages(["python3.11-venv"], required=True)
    install.debian_packages(["chromium"], required=False)
    assert "sudo apt-get install -y chromium" in capsys.readouterr().err


def test_the_makefile_has_few_words() -> None:
    """The Makefile offers what its head says, and calls the installer before all of it."""
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", text, re.MULTILINE))
    assert targets == {"run", "test", "bench", "check", "docs", "lock", "install", "develop"}
    for word in targets - {"install", "develop"}:
        assert f"# make {word} " in text


def build_wheel(copy: Path, out: Path) -> Path:
    """Build the wheel of what is under version control, with what is at hand if that suffices."""
    for path in tracked():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    install = installer()
    configuration = install.pip_configuration()
    environment = os.environ | install.uv_environment(configuration)
    for options in (["--offline"], install.uv_options(configuration)):
        built = subprocess.run(
            [UV, "build", "--wheel", "--python", sys.executable, *options, "--out-dir", out, copy],
            capture_output=True,
            text=True,
            env=environment,
        )
        if built.returncode == 0:
            return next(out.glob("*.whl"))
    raise AssertionError(built.stderr)


@pytest.mark.skipif(not UV.exists(), reason="no uv beside this Python: pip install 'fraktal[dev]'")
def test_a_wheel_has_the_pages(tmp_path: Path) -> None:
    """A server that knows the wheel alone, without the checkout, shows the home page and more."""
    wheel = build_wheel(tmp_path / "copy", tmp_path / "dist")
    venv.create(tmp_path / "venv", symlinks=True)
    packages = tmp_path / "venv" / PACKAGES.relative_to(sys.prefix)
    zipfile.ZipFile(wheel).extractall(packages)
    # The other packages are the ones of this environment; what is installed of us there is not,
    # since a path that is added so brings no links of its own.
    (packages / "others.pth").write_text(str(PACKAGES))
    log = (tmp_path / "log").open("w+")
    server = subprocess.Popen(
        [tmp_path / "venv/bin/python", "-m", "fraktal_kernel.cli", "serve", "--port", "0"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "FRAKTAL_DATA": str(tmp_path / "data")},
        stdout=log,
        stderr=log,
    )
    try:
        while not (link := re.search(r"http://\S+token=\S+", (tmp_path / "log").read_text())):
            assert server.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
        with httpx.Client(follow_redirects=True, trust_env=False, timeout=60) as browser:
            home = browser.get(link[0])
            explorer = browser.get(urljoin(link[0], "/explorer"))
        for page, title in ((home, "Workbench"), (explorer, "Fractal explorer")):
            assert page.status_code == 200
            assert f"<h1>{title}</h1>" in page.text
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
        log.close()
