"""Tests of `fraktal_widgets.frames`."""

from __future__ import annotations

import numpy as np
import pytest

from fraktal_widgets import frames
from fraktal_widgets.frames import IN_FLIGHT, FrameFlow, pack


def picture(value: int = 1) -> np.ndarray:
    """Make a small picture that can be told from others."""
    return np.full((2, 3), value, np.uint16)


def marks(sent: list[bytes]) -> list[tuple[int, int]]:
    """Read sequence and level of each frame."""
    return [tuple(int(word) for word in np.frombuffer(one[:8], "<u4")) for one in sent]


def test_a_frame_reads_back_as_header_and_pixels() -> None:
    """The header is four little-endian uint32, the pixels are little-endian uint16."""
    pixels = np.arange(6, dtype=np.uint16).reshape(2, 3) * 10_000
    packed = pack(7, 9, pixels[:, ::-1])
    assert list(np.frombuffer(packed[:16], "<u4")) == [7, 9, 3, 2]
    assert (np.frombuffer(packed[16:], "<u2").reshape(2, 3) == pixels[:, ::-1]).all()


def test_never_more_than_two_frames_are_under_way() -> None:
    """A third frame waits until the browser has drawn one, and newer ones take its place."""
    sent: list[bytes] = []
    flow = FrameFlow(sent.append)
    for sequence in range(1, 6):
        flow.offer(sequence, 9, picture())
    assert marks(sent) == [(1, 9), (2, 9)]
    flow.drawn(1, 9)
    assert marks(sent) == [(1, 9), (2, 9), (5, 9)]
    assert IN_FLIGHT == 2


def test_drawing_a_frame_confirms_all_before_it() -> None:
    """A later view or a finer level says that what came before is no longer under way."""
    sent: list[bytes] = []
    flow = FrameFlow(sent.append)
    flow.offer(1, 9, picture())
    flow.offer(1, 3, picture())
    flow.offer(1, 1, picture())
    flow.drawn(1, 3)
    flow.offer(2, 9, picture())
    flow.offer(2, 3, picture())
    assert marks(sent) == [(1, 9), (1, 3), (1, 1), (2, 9)]
    flow.drawn(1, 9)  # an old word that comes late changes nothing
    assert len(sent) == 4
    flow.drawn(2, 9)
    assert marks(sent)[-1] == (2, 3)


def test_a_new_browser_starts_afresh() -> None:
    """Frames that a page which is gone never drew do not hold back the next page."""
    sent: list[bytes] = []
    flow = FrameFlow(sent.append)
    for level in (9, 3, 1):
        flow.offer(1, level, picture())
    flow.forget()
    assert marks(sent) == [(1, 9), (1, 3), (1, 1)]


def test_a_frame_that_nobody_confirms_counts_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the way is free again, so that one lost frame does not stop the picture."""
    clock = [0.0]
    monkeypatch.setattr(frames.time, "monotonic", lambda: clock[0])
    sent: list[bytes] = []
    flow = FrameFlow(sent.append)
    for level in (9, 3, 1):
        flow.offer(1, level, picture())
    clock[0] = frames.LOST_AFTER_S
    flow.offer(2, 9, picture())
    assert marks(sent) == [(1, 9), (1, 3), (2, 9)]


def test_the_last_frame_is_sent_again_when_it_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that long after still speaks of an older frame gets the newest once more."""
    clock = [0.0]
    monkeypatch.setattr(frames.time, "monotonic", lambda: clock[0])
    sent: list[bytes] = []
    flow = FrameFlow(sent.append)
    flow.offer(1, 3, picture())
    flow.offer(1, 1, picture(2))
    flow.drawn(1, 3)
    assert marks(sent) == [(1, 3), (1, 1)]
    clock[0] = 1.1 * frames.LOST_AFTER_S
    flow.drawn(1, 3)
    assert marks(sent) == [(1, 3), (1, 1), (1, 1)]
    clock[0] *= 3
    flow.drawn(1, 1)
    assert len(sent) == 3
