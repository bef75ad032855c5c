"""What all fuzzers share: a corpus to begin with, and what a refusal must be like."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import atheris

from fraktal_kernel.errors import InvalidInput

# Hours of a busy machine see nothing slower than this; what is slower is worth a look.
SLOW_S = 5.0
LONGEST_SENTENCE = 700


def judged(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Let a reader succeed, or refuse with one sentence, within moments."""

    def one(data: bytes) -> None:
        began = time.process_time()
        try:
            read(data)
        except InvalidInput as error:
            message = str(error)
            assert message.endswith((".", "?")), message
            assert "\n" not in message and len(message) < LONGEST_SENTENCE, message
        spent = time.process_time() - began
        assert spent < SLOW_S, f"{data!r} took {spent:.1f} s"

    return one


def fuzz(read: Callable[[bytes], None], seeds: Mapping[str, bytes]) -> None:
    """Run libFuzzer with the arguments of the command line, beginning with some inputs."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in seeds.items():
            (Path(folder) / name).write_bytes(data)
        atheris.Setup([*sys.argv, folder], judged(read))
        atheris.Fuzz()
