"""Capabilities that make what the server has to hand out: files, questions, failures, time."""

from __future__ import annotations

import time

from pydantic import BaseModel, Field

from fraktal_kernel.core.capability import Run, capability

PAGE = "<script>document.title = 'scripted'</script><p>a page</p>"


class Nothing(BaseModel):
    """No parameters."""


class Count(BaseModel):
    """How often."""

    times: int = 3


@capability("served.files", title="Make files")
def make_files(params: Nothing, run: Run) -> int:
    """Save a picture's worth of bytes, a page that has a script, and names that are odd."""
    run.save("numbers.bin", bytes(range(256)) * 4096)
    run.save("page.html", PAGE.encode())
    run.save("tables/costs & prices.csv", b"a,b\n1,2\n", "text/csv")
    run.save("odd.bin", b"odd", "text/plain\r\nset-cookie: fraktal_session=stolen")
    run.save("empty.txt", b"")
    return 5


@capability("served.count", title="Count")
def count(params: Count, run: Run) -> int:
    """Tell of progress a number of times."""
    for done in range(params.times):
        run.progress((done + 1) / params.times, f"{done + 1} of {params.times}")
        run.log(f"counted {done + 1}")
    return params.times


@capability("served.wait", title="Wait")
def wait(params: Nothing, run: Run) -> None:
    """Work until somebody cancels."""
    while True:
        run.check_cancelled()
        time.sleep(0.02)


@capability("served.ask", title="Ask")
def ask(params: Nothing, run: Run) -> str:
    """Ask a person."""
    return run.ask("Deploy?", ["yes", "no"])


@capability("served.fail", title="Fail")
def fail(params: Nothing, run: Run) -> None:
    """Fail."""
    raise ValueError("it was meant to fail")


class Letter(BaseModel):
    """What to send."""

    text: str = Field(max_length=20)


@capability("served.send", title="Send", effect="sends a letter")
def send(params: Letter, run: Run) -> str:
    """Do what is not taken back."""
    return f"sent {params.text}"


@capability("served.clerk", title="Want a letter sent")
def clerk(params: Letter, run: Run) -> str:
    """Have a letter sent, as a program that needs a yes for it."""
    return str(run.call("served.send", text=params.text))
