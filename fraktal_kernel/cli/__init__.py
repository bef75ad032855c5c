"""The ``fraktal`` command: one module for each group of commands, no logic of its own."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code."""
    from fraktal_kernel.cli.app import main as run

    run()
