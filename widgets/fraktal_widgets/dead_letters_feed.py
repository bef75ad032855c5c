"""Follow what the bus and the jobs gave up, and keep what a screen shows of it, as plain JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from fraktal_kernel.errors import FraktalError, InvalidInput
from fraktal_widgets.feed import Feed
from fraktal_widgets.job_facts import milliseconds, short

if TYPE_CHECKING:
    from fraktal_kernel.agents.bus.user import LetterView
    from fraktal_kernel.core.jobs.model import JobView
    from fraktal_kernel.core.workbench import Workbench

#: So many of each kind are shown at once; the rest comes up as these are dealt with.
SHOWN = 100
#: What the bus and the jobs give at most in one answer.
PAGE = 500
#: Of one payload so many characters are shown.
PAYLOAD_CHARS = 64 * 1024
#: Events come in bursts: the lists are read once for all of them.
GATHER_S = 0.2


class DeadLettersFeed(Feed):
    """The dead letters of one user: messages by topic, failed jobs by capability.

    A job that another one began is left to that one: when it is tried again, so are its jobs.

    Parameters
    ----------
    workbench : whose
    changed : called on a thread of the feed when something changed
    """

    about = "dead letters"

    def __init__(self, workbench: Workbench, changed: Callable[[], None]) -> None:
        super().__init__(workbench, changed)
        self.letters: dict[str, LetterView] = {}
        self.jobs: dict[str, JobView] = {}
        self.left_out = 0
        self.outcome: dict[str, Any] = {}  # of the last wish: what was done, or why not
        self._undo: list[tuple[str, list[str]]] = []  # group and messages, or "" and jobs
        self._open: set[str] = set()

    def board(self) -> dict[str, Any]:
        """Give everything as JSON, the oldest first within each topic or capability."""
        sections: dict[str, dict[str, Any]] = {}
        for key, letter in self.letters.items():
            topic = letter.message.topic
            of_topic = {"key": f"bus {topic}", "kind": "message", "title": topic, "letters": []}
            section = sections.setdefault(f"bus {topic}", of_topic)
            section["letters"].append(self._letter(key, letter))
        for key, job in sorted(self.jobs.items(), key=lambda pair: pair[1].id):
            name = job.capability
            of_name = {"key": f"job {name}", "kind": "job", "title": self.title(name)}
            section = sections.setdefault(f"job {name}", of_name | {"letters": []})
            section["letters"].append(self._job(key, job))
        return {
            "sections": list(sections.values()),
            "left_out": self.left_out,
            "outcome": self.outcome | {"can_undo": bool(self._undo)},
            "loading": self.loading,
            "trouble": self.trouble,
            "now": round(time.time() * 1000),
        }

    def wish(self, wish: dict[str, Any]) -> None:
        """Do what the user wished; a refusal is said where it was wished."""
        self.do(lambda: self._grant(wish))

    # on the thread of the feed ----------------------------------------------------------

    def _grant(self, wish: dict[str, Any]) -> None:
        what, key = str(wish.get("do")), str(wish.get("key") or "")
        if what == "open":
            self._open.add(key)
        elif what == "close":
            self._open.discard(key)
        elif what in ("again", "discard", "undo"):
            said = {"visit": wish.get("visit"), "seq": wish.get("seq"), "do": what, "key": key}
            try:
                text, problem = self._obey(what, key), ""
            except FraktalError as error:
                text, problem = "", str(error)
            self.outcome = {**said, "text": text, "problem": problem}
            self._load()

    def _obey(self, what: str, key: str) -> str:
        """Do it, and say what was done."""
        if what == "undo":
            return self._take_back()
        kind, _, name = key.partition(" ")
        if kind == "bus":
            return self._all_messages(what, name)
        if kind == "job":
            found = [one for one in self.jobs.values() if one.capability == name]
            return self._do_jobs(what, found)
        if key in self.jobs:
            return self._do_jobs(what, [self.jobs[key]])
        if (letter := self.letters.get(key)) is None:
            raise InvalidInput("that is no dead letter any more.")
        bus, one = self.workbench.bus, [letter.message.id]
        if what == "again":
            return f"{_messages(bus.redrive(letter.group, one))} delivered again."
        self._undo = [(letter.group, one)]
        return f"{_messages(bus.discard(letter.group, one))} discarded."

    def _all_messages(self, what: str, topic: str) -> str:
        bus = self.workbench.bus
        if what == "again":
            return f"{_messages(bus.redrive(topic=topic))} delivered again."
        self._undo, count = [], 0
        while found := bus.dead_letters(limit=PAGE, topic=topic):
            ids: dict[str, list[str]] = {}
            for letter in found:
                ids.setdefault(letter.group, []).append(letter.message.id)
            done = sum(bus.discard(group, these) for group, these in ids.items())
            self._undo += ids.items()
            count += done
            if not done:
                break
        return f"{_messages(count)} discarded."

    def _do_jobs(self, what: str, jobs: Iterable[JobView]) -> str:
        done: list[str] = []
        if what == "discard":
            self._undo = [("", done)]  # what was done before a refusal can be taken back, too
        for job in jobs:
            if what == "again":
                self.workbench.jobs.retry(job.id)
            else:
                self.workbench.jobs.discard(job.id)
            done.append(str(job.id))
        which = f"Job {done[0]} was" if len(done) == 1 else f"{len(done)} jobs were"
        return f"{which} {'queued again' if what == 'again' else 'discarded'}."

    def _take_back(self) -> str:
        """Take the last discard back."""
        count = 0
        for group, names in self._undo:
            if group:
                for begin in range(0, len(names), PAGE):
                    count += self.workbench.bus.restore(group, names[begin : begin + PAGE])
            else:
                for name in names:
                    self.workbench.jobs.restore(int(name))
                count += len(names)
        self._undo = []
        return f"Taken back: {count:,} stand{'s' if count == 1 else ''} here again."

    def _load(self) -> None:
        bus = self.workbench.bus
        found = bus.dead_letters(limit=SHOWN)
        dead = sum(group.dead for group in bus.state().groups)
        self.letters = {f"{one.group}/{one.message.id}": one for one in found}
        failed = self._failed()
        self.jobs = {f"#{one.id}": one for one in failed[:SHOWN]}
        self.left_out = max(0, dead - len(found)) + max(0, len(failed) - SHOWN)
        self._open &= {*self.letters, *self.jobs}
        self.loading = False

    def _failed(self) -> list[JobView]:
        """List failed jobs that nobody put away and that no other job began, the newest first."""
        found: list[JobView] = []
        before = None
        while len(found) <= SHOWN:
            page = self.workbench.jobs.list("failed", PAGE, before)
            found += [one for one in page if one.discarded_at is None and one.parent_id is None]
            if len(page) < PAGE:
                break
            before = page[-1].id
        return found

    def _apply(self, event: Any) -> bool:
        failed = event.payload.get("state") == "failed"
        ours = f"#{event.subject}" in self.jobs and event.topic == "jobs.state"
        told = event.topic in ("bus.letters", "jobs.discarded")
        if told or ours or (failed and event.topic == "jobs.state"):
            self._later("list", GATHER_S, self._load)
        return False  # what is read a moment later is told then

    def _letter(self, key: str, letter: LetterView) -> dict[str, Any]:
        message = letter.message
        headers = {
            name: text for name, text in message.headers.items() if name not in ("origin", "owner")
        }
        facts = [["Message", message.id], ["Group", letter.group]]
        facts += [[f"Header {name}", text] for name, text in headers.items()]
        return {
            "key": key,
            "name": message.id,
            "who": f"group {letter.group}",
            "error": letter.error,
            "tries": message.attempt,
            "born": round(message.time * 1000),
            "died": milliseconds(letter.died_at),
            "facts": facts,
            **self._payload(key, message.body),
        }

    def _job(self, key: str, job: JobView) -> dict[str, Any]:
        return {
            "key": key,
            "name": f"job {job.id}",
            "job": job.id,
            "who": f"ran on {job.ran_on}" if job.ran_on else "",
            "error": job.error or "it failed without a word.",
            "tries": job.attempt,
            "born": milliseconds(job.created_at),
            "died": milliseconds(job.ended_at),
            "facts": [["Capability", job.capability]],
            **self._payload(key, job.params),
        }

    def _payload(self, key: str, value: Any) -> dict[str, Any]:
        """Give a payload as one short line, and whole where somebody has opened it."""
        line = short(json.dumps(value, ensure_ascii=False))
        if key not in self._open:
            return {"line": line, "payload": None}
        text = json.dumps(value, ensure_ascii=False, indent=2)
        if len(text) > PAYLOAD_CHARS:
            text = f"{text[:PAYLOAD_CHARS]}\n… {len(text) - PAYLOAD_CHARS:,} more characters"
        return {"line": line, "payload": text}


def _messages(count: int) -> str:
    return "1 message was" if count == 1 else f"{count:,} messages were"
