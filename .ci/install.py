"""Install Fraktal from this checkout into ``.venv``: what ``make`` calls before anything else.

Standard library only, for any Python 3.11 or newer. It makes the virtual environment, puts uv
into it, and lets uv install the checkout with the exact versions of ``requirements.lock``. What
is already installed is not looked at again, so a second call takes no time. pip's configuration
(find-links, indexes, certificate, timeout) is handed on to uv, which does not read it by itself.

    python3 .ci/install.py [--extras networks,speech] [--torch cpu|cuda] [--debian chromium,gcc]
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
LOCK = ROOT / "requirements.lock"
NEEDS_TORCH = {"dev", "networks", "voices"}  # extras whose packages use torch
DEBIAN = {  # Debian package: where its program may be
    "chromium": ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"],
    "gcc": ["/usr/bin/gcc", "/usr/bin/cc"],
    "nats-server": ["/usr/sbin/nats-server"],
    "postgresql": ["/usr/lib/postgresql/*/bin/initdb", "/usr/local/pgsql/bin/initdb"],
    "prometheus": ["/usr/bin/prometheus"],
    "rabbitmq-server": ["/usr/sbin/rabbitmq-server"],
    "redis-server": ["/usr/bin/redis-server"],
}


def say(text: str) -> None:
    """Tell the person what is going on."""
    print(f"fraktal: {text}", file=sys.stderr, flush=True)


def run(*command: str | Path, **environment: str) -> None:
    """Run one command in the checkout; stop with its exit code when it fails."""
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, env={**os.environ, **environment}
    )
    if done.returncode:
        say(f"this command failed: {' '.join(str(word) for word in command)}")
        raise SystemExit(done.returncode)


def debian_packages(names: list[str], required: bool) -> None:
    """Install Debian packages, or say which command does it where we may not."""
    if not names:
        return
    command = f"apt-get install -y {' '.join(names)}"
    if shutil.which("apt-get") and os.geteuid() == 0:
        say(f"installing Debian packages: {' '.join(names)}")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "-qq", **quiet)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *names, **quiet)
    elif required:
        raise SystemExit(f"fraktal: missing {', '.join(names)}; type: sudo {command}")
    else:
        say(f"missing {', '.join(names)}: tests that need them skip; to have them: sudo {command}")


def missing_programs(names: list[str]) -> list[str]:
    """Name those Debian packages whose program is nowhere to be found."""
    return [
        name
        for name in names
        if not shutil.which(name)
        and not any(path for place in DEBIAN[name] for path in Path("/").glob(place[1:]))
    ]


def make_venv() -> None:
    """Make ``.venv`` with pip inside, unless a working one stands."""
    if PYTHON.exists() and not subprocess.run([PYTHON, "-c", "import pip"]).returncode:
        return
    if importlib.util.find_spec("ensurepip") is None:  # Debian splits it off
        debian_packages([f"python3.{sys.version_info.minor}-venv"], required=True)
    say(f"making .venv with Python {platform.python_version()}")
    run(sys.executable, "-m", "venv", "--clear", VENV)


def pip_configuration() -> dict[str, str]:
    """Read pip's configuration by option: files first, the environment wins."""
    text = subprocess.run(
        [PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found = {}
    lines = [line.partition("=") for line in text.splitlines() if "=" in line]
    for scope in ("global", "install", ":env:"):
        for name, _, value in lines:
            if name.startswith(f"{scope}."):
                found[name.removeprefix(f"{scope}.")] = str(ast.literal_eval(value))
    return found


def uv_options(pip: dict[str, str]) -> list[str]:
    """Say in uv's words where pip is configured to look for packages."""
    options = ["--index-strategy", "unsafe-best-match"]  # the newest of all indexes, as pip does
    for place in pip.get("find-links", "").split():
        options += ["--find-links", place]
    for index in pip.get("extra-index-url", "").split():
        options += ["--index", index]
    if "index-url" in pip:
        options += ["--default-index", pip["index-url"]]
    return options


def uv_environment(pip: dict[str, str]) -> dict[str, str]:
    """Hand on pip's certificate and patience where uv has none of its own."""
    wanted = {
        "SSL_CERT_FILE": pip.get("cert"),
        "UV_HTTP_TIMEOUT": pip.get("timeout", pip.get("default-timeout")),
    }
    return {name: value for name, value in wanted.items() if value and name not in os.environ}


def torch_build(asked: str) -> str:
    """Choose the build of torch: as asked, or by whether an NVIDIA driver answers."""
    if asked:
        return asked
    smi = shutil.which("nvidia-smi")
    found = smi and not subprocess.run([smi], capture_output=True).returncode
    return "cuda" if found else "cpu"


def torch_options(build: str, options: list[str]) -> list[str]:
    """Hold uv to one build of torch, so that no resolver brings CUDA where cpu is meant."""
    if sys.platform != "linux":
        return []  # elsewhere there is one build only
    pin = next(line for line in LOCK.read_text().splitlines() if line.startswith("torch=="))
    cpu = f"{pin.split()[0]}+cpu"
    rule = VENV / "torch.txt"
    rule.write_text(cpu if build == "cpu" else cpu.replace("==", "!="))
    held = ["--constraint", str(rule)]
    if build == "cpu":
        look = [UV, "pip", "install", "--dry-run", "--no-deps", "--python", PYTHON, *options, cpu]
        if subprocess.run(look, capture_output=True).returncode:  # not where pip is told to look
            held += ["--torch-backend", "cpu"]
    return held


def install(extras: set[str], torch: str) -> None:
    """Bring ``.venv`` to what ``extras`` and ``torch`` ask for, unless it is there already."""
    inputs = [ROOT / "pyproject.toml", LOCK, Path(__file__)]
    key = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    stamp = VENV / "fraktal-install.json"
    old = json.loads(stamp.read_text()) if stamp.exists() and PYTHON.exists() else {}
    extras |= set(old.get("extras", []))
    if torch or extras & NEEDS_TORCH:
        extras.add("networks")
        torch = torch or old.get("torch") or torch_build("")
    new = {"inputs": key, "extras": sorted(extras), "torch": torch, "root": str(ROOT)}
    if new == old:
        return

    make_venv()
    pip = pip_configuration()
    if not UV.exists():
        run(PYTHON, "-m", "pip", "install", "--quiet", "--constraint", LOCK, "uv")
    options = uv_options(pip)
    if torch:
        options += torch_options(torch, options)
    what = f".[{','.join(sorted(extras))}]" if extras else "."
    say(f"installing {what}" + (f" with torch for {torch}" if torch else "") + " into .venv")
    command = [UV, "pip", "install", "--python", PYTHON, "--constraint", LOCK]
    if sys.dont_write_bytecode:  # then the first start would not compile, nor any later one
        command.append("--compile-bytecode")
    run(*command, *options, "--editable", what, **uv_environment(pip))
    stamp.write_text(json.dumps(new))


def main() -> None:
    """Read the command line and install."""
    if sys.version_info < (3, 11):  # noqa: UP036 (said here, before anything else can fail)
        raise SystemExit(
            f"fraktal: this is Python {platform.python_version()}; Fraktal needs 3.11 or newer. "
            "Name one with: make PYTHON=python3.11 ..."
        )
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--extras", default="", help="optional parts, separated by commas")
    words.add_argument("--torch", default="", choices=["", "cpu", "cuda"])
    words.add_argument("--debian", default="", help="Debian packages that the next step needs")
    given = words.parse_args()
    debian_packages(missing_programs(given.debian.replace(",", " ").split()), required=False)
    install(set(given.extras.replace(",", " ").split()), given.torch)


if __name__ == "__main__":
    main()
