"""Run the benchmarks: all, or those whose script or figure is named.

Each script prints its figures as JSON lines, ``{"figure": ..., "value": ..., "unit": ...}`` with
``peer`` and ``ratio`` where it measured something beside us. The lines go on to the standard
output, whatever else a script says to the standard error, and a table of all figures ends the run.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
Figure = dict[str, Any]


def scripts() -> dict[str, Path]:
    """Find the benchmark scripts by name."""
    return {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem[0] != "_"}


def chosen(only: str) -> list[Path]:
    """Choose the scripts for a script's or a figure's name; all of them for an empty one."""
    found = scripts()
    if not only:
        return list(found.values())
    if only in found:
        return [found[only]]
    holders = [path for path in found.values() if _has(path.read_text(), only)]
    if not holders:
        sys.exit(f"no benchmark or figure named {only!r}; there are: {', '.join(found)}.")
    return holders


def _has(text: str, figure: str) -> bool:
    """Say whether a script prints a figure: by its name, or by what the name begins with."""
    begins = re.findall(r'f"([a-z]\w+_)\{', text)
    return f'"{figure}"' in text or any(figure.startswith(part) for part in begins)


def measure(script: Path, figure: str = "") -> tuple[list[Figure], int]:
    """Run one script in a process of its own; returns its figures and its exit code.

    A script that measures many figures may measure only the one that ``FIGURE`` names.
    """
    print(f"--- {script.stem}", file=sys.stderr, flush=True)
    figures = []
    command = [sys.executable, "-m", f"{HERE.name}.{script.stem}"]
    environment = {**os.environ, "FIGURE": figure}
    with subprocess.Popen(
        command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                figures.append(json.loads(line))
            else:
                print(line, end="", file=sys.stderr, flush=True)
    return figures, process.returncode


def machine() -> str:
    """Say what this was measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def shown(value: float | None) -> str:
    """Write a figure with a sensible count of digits."""
    if value is None:
        return ""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def table(figures: list[Figure]) -> str:
    """Lay the figures out as the Markdown table that the README takes."""
    lines = [f"Measured on {machine()}.", ""]
    lines += ["| figure | value | beside | ratio |", "|---|---|---|---|"]
    for item in figures:
        value = f"{shown(item['value'])} {item['unit']}"
        peer, ratio = item.get("peer") or "", shown(item.get("ratio"))
        lines.append(f"| `{item['figure']}` | {value} | {peer} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    figures: list[Figure] = []
    failed = []
    for script in chosen(only):
        found, code = measure(script, "" if only in scripts() else only)
        named = [item for item in found if item["figure"] == only]
        for item in named or found:
            print(json.dumps(item), flush=True)
            figures.append(item)
        if code:
            failed.append(f"{script.stem} (exit code {code})")
    print(f"\n{table(figures)}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
