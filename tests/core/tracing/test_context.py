"""Where spans belong: what others say of it is read strictly, and names come out the same."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraktal_kernel.core.tracing.context import (
    TraceContext,
    attempt_of,
    context_of,
    new_trace,
    read_traceparent,
)

contexts = st.builds(
    TraceContext,
    st.integers(1, 2**128 - 1).map("{:032x}".format),
    st.integers(1, 2**64 - 1).map("{:016x}".format),
    st.booleans(),
)


@given(contexts)
def test_what_is_written_is_read_back(context: TraceContext) -> None:
    """A traceparent and the place that it names are one."""
    assert read_traceparent(str(context)) == context
    assert context_of(1, str(context)) == context


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "'; DROP TABLE job; --",
    ],
)
def test_what_is_no_traceparent_is_none(text: str) -> None:
    """The specification says to begin a new trace then."""
    assert read_traceparent(text) is None


def test_later_versions_may_say_more() -> None:
    """Of a version that we do not know we read what we do."""
    text = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-more"
    assert read_traceparent(text) == TraceContext("0af7651916cd43dd8448eb211c80319c", text[36:52])


@given(st.integers(1, 2**62), st.integers(1, 1000), st.integers(1, 1000))
def test_attempts_have_names_of_their_own(job_id: int, one: int, other: int) -> None:
    """Two fencing numbers give the same span only where they are the same."""
    context = new_trace()
    same = attempt_of(context, job_id, one) == attempt_of(context, job_id, other)
    assert same == (one == other)


def test_nothing_of_opentelemetry_is_imported_where_nothing_records() -> None:
    """Neither the package nor a worker that does plain jobs pays for it."""
    program = (
        "import sys, fraktal_kernel\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)\n"
        "import fraktal_kernel.core.jobs.worker, fraktal_kernel.core.local\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
