"""Stopping: what nobody can ask on the way holds no cancel up."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.progress import Stopped, apart


def test_a_cancel_does_not_wait_for_what_cannot_be_asked() -> None:
    """Work that would never end is left behind."""
    never, asked = threading.Event(), iter([False, False, True])
    with pytest.raises(Stopped):
        apart(never.wait, lambda: next(asked))
    never.set()


def test_what_is_done_apart_gives_its_value_or_its_error() -> None:
    """A thread in between changes neither."""

    def fail() -> None:
        raise InvalidInput("given this, expected that.")

    for cancelled in (None, lambda: False):
        assert apart(lambda: [1, 2], cancelled) == [1, 2]
        with pytest.raises(InvalidInput, match="expected that"):
            apart(fail, cancelled)


def test_what_numpy_lets_pass_here_it_lets_pass_there() -> None:
    """A division by 0 that is meant warns in neither place."""
    with np.errstate(divide="ignore"):
        assert apart(lambda: np.ones(1) / np.zeros(1), lambda: False).tolist() == [np.inf]
