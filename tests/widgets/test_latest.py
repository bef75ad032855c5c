"""Tests of `fraktal_widgets.latest`."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from fraktal_widgets.latest import LatestOnly, Superseded


def test_newest_request_wins_and_the_ones_between_are_forgotten() -> None:
    """While one request is under way, only the newest of those that came meanwhile is done."""
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def work(request: int, superseded: Superseded) -> None:
        begun.set()
        assert go_on.wait(60)
        done.append(request)

    latest = LatestOnly(work)
    latest.submit(0)
    assert begun.wait(60)
    for request in range(1, 6):
        latest.submit(request)
    go_on.set()
    assert latest.wait(60)
    assert done == [0, 5]


def test_work_under_way_learns_that_it_is_superseded() -> None:
    """``superseded()`` turns true as soon as a newer request came."""
    begun, seen = threading.Event(), []

    def work(request: str, superseded: Superseded) -> None:
        if request == "old":
            before = superseded()
            begun.set()
            while not superseded():
                threading.Event().wait(0.001)
            seen.append((before, superseded()))
        else:
            seen.append(superseded())

    latest = LatestOnly(work)
    latest.submit("old")
    assert begun.wait(60)
    latest.submit("new")
    assert latest.wait(60)
    assert seen == [(False, True), False]


def test_no_thread_is_left_when_nothing_is_left_to_do() -> None:
    """The thread ends with the last request, so that a resting widget holds none."""
    latest = LatestOnly(lambda request, superseded: None, "latest-under-test")
    for request in range(3):
        latest.submit(request)
        assert latest.wait(60)
    for thread in threading.enumerate():
        if thread.name == "latest-under-test":
            thread.join(60)
    assert "latest-under-test" not in [thread.name for thread in threading.enumerate()]


def test_closing_supersedes_and_takes_no_more() -> None:
    """After ``close()`` the work under way is superseded and new requests are dropped."""
    begun, done = threading.Event(), []

    def work(request: int, superseded: Superseded) -> None:
        begun.set()
        while not superseded():
            threading.Event().wait(0.001)
        done.append(request)

    latest = LatestOnly(work)
    latest.submit(1)
    assert begun.wait(60)
    latest.close()
    latest.submit(2)
    assert latest.wait(60)
    assert done == [1]


def test_what_breaks_because_it_is_closed_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Work whose widget goes in the middle of it may fail, and nobody is told."""
    begun, go_on = threading.Event(), threading.Event()

    def work(request: int, superseded: Superseded) -> None:
        begun.set()
        go_on.wait(60)
        raise ValueError("the screen is gone")

    latest = LatestOnly(work)
    with caplog.at_level(logging.ERROR):
        latest.submit(1)
        assert begun.wait(60)
        latest.close()
        go_on.set()
        assert latest.wait(60)
    assert caplog.text == ""


def test_a_request_that_fails_does_not_stop_the_next(caplog: pytest.LogCaptureFixture) -> None:
    """An error is logged, and the thread goes on with the next request."""
    done: list[Any] = []

    def work(request: Any, superseded: Superseded) -> None:
        if request is None:
            raise ValueError("no request")
        done.append(request)

    latest = LatestOnly(work)
    with caplog.at_level(logging.ERROR):
        latest.submit(None)
        assert latest.wait(60)
    latest.submit("next")
    assert latest.wait(60)
    assert done == ["next"]
    assert "no request" in caplog.text
