"""SIGKILL at each point of an effect's life: not doubled, not lost unseen, each doubt shown."""

from __future__ import annotations

from pathlib import Path

from fraktal_kernel.core.jobs.effects import AGAIN, HAPPENED
from fraktal_kernel.core.jobs.model import ApprovalView
from fraktal_kernel.core.remote import RemoteWorkbench
from tests.system.serving import START_S, Serving, until


def lines(file: Path) -> list[str]:
    """Read what was done, in order."""
    found = file.read_text().splitlines() if file.exists() else []
    return [line.split()[1] for line in found]


def waiting(bench: RemoteWorkbench, count: int) -> list[ApprovalView]:
    """Wait until so many things wait for a person."""
    until(lambda: len(bench.approvals.list()) == count, START_S, f"{count} questions")
    return bench.approvals.list()


def agree(bench: RemoteWorkbench, asked: ApprovalView) -> ApprovalView:
    """Say yes to what was seen."""
    return bench.approvals.approve(asked.id or 0, digest=asked.digest)


def test_no_kill_doubles_or_hides_an_effect(tmp_path: Path) -> None:
    """Before the yes, after it, before the deed and after it, of server and worker, and at a stop.

    What had not begun is begun, once; what had begun is shown, and done again only when told to.
    """
    file, gates = tmp_path / "lines", tmp_path / "gates"
    gates.mkdir()
    server = Serving(tmp_path / "data", workers=1, heartbeat_s=0.3, lease_s=2).start()

    def deed(text: str, **gate: str) -> dict[str, str]:
        return {"file": str(file), "text": text, **{k: str(gates / v) for k, v in gate.items()}}

    try:
        with server.workbench() as bench:
            # Killed while it waits for the yes, and again when the yes is given, and the only
            # worker is taken by another job.
            taken = bench.submit("test.gate", file=str(gates / "taken"))
            until(lambda: taken.state == "running", START_S)
            errand = bench.submit("test.errand", deeds=[deed("a", before="b1"), deed("b")])
            server.kill()
            server.start()
            (gates / "taken").write_text("100")
            asked = {each.params["text"]: each for each in waiting(bench, 2)}
            held = bench.submit("test.gate", file=str(gates / "held"))
            until(lambda: held.state == "running", START_S)
            assert agree(bench, asked["b"]).state == "approved"
            server.kill()
            assert lines(file) == []
            server.start()
            (gates / "held").write_text("100")
            until(lambda: lines(file) == ["b"], START_S, "the approved deed")

            # Killed after it had begun, before it did anything: nobody but the person knows.
            agree(bench, asked["a"])
            until(lambda: (gates / "b1.reached").exists(), START_S, "the gate")
            server.kill()
            (gates / "b1").touch()
            server.start()
            (doubt,) = waiting(bench, 1)
            assert doubt.question is not None and doubt.question.effect
            assert "The server was gone" in doubt.question.text and lines(file) == ["b"]
            bench.jobs.answer(doubt.job_id, AGAIN)
            assert errand.wait(START_S) == ["succeeded a", "succeeded b"]
            assert lines(file) == ["b", "a"]

            # The worker is killed after the deed, and the server stopped after another one.
            for text, end in (("c", "worker"), ("d", "stop")):
                errand = bench.submit("test.errand", deeds=[deed(text, after=f"{text}1")])
                agree(bench, waiting(bench, 1)[0])
                until(lambda text=text: (gates / f"{text}1.reached").exists(), START_S, "the gate")
                if end == "worker":
                    for worker in server.workers():
                        worker.kill()
                else:
                    server.stop()
                    server.start()
                (doubt,) = waiting(bench, 1)
                assert doubt.effect == "writes a line for ever"
                bench.jobs.answer(doubt.job_id, HAPPENED)
                assert errand.wait(START_S) == ["succeeded None"]
            assert lines(file) == ["b", "a", "c", "d"]
            assert [each.state for each in bench.approvals.list(every=True)].count("used") == 5
    finally:
        server.close()
