"""A workbench whose chat asks a scripted server first, and the offline model after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fraktal_kernel.agents.chat.chat import LocalChat
from fraktal_kernel.agents.chat.model import MessageView, Turn
from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.workbench import Workbench
from tests.agents.scripted import Script, Scripted, says, scripted

MODULES = ["tests.capabilities", "tests.agents.hostile_capabilities"]
KEY = "sk-a-secret-of-the-tests"
PATIENCE_S = 120.0


@dataclass
class Desk:
    """A workbench, its chat, and the server that its first model is on."""

    workbench: LocalWorkbench
    chat: LocalChat
    server: Scripted

    def say(self, text: str, script: Script | None = None, **where: object) -> MessageView:
        """Say something, wait for the answer and return it."""
        if script is not None:
            self.server.script = script
        turn = self.chat.send(text, **where)  # type: ignore[arg-type]
        self.workbench.job(turn.job_id).wait(PATIENCE_S)
        return self.answer(turn)

    def answer(self, turn: Turn) -> MessageView:
        """Return the answer of a turn as it stands."""
        return self.chat.message(turn.answer_id)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Open it once for a module."""
    data = tmp_path_factory.mktemp("chat")
    with scripted(says("hello")) as server:
        with Workbench.open(
            data=data,
            workers=1,
            models=[server.spec, "offline"],
            model_keys={server.spec: KEY},
            model_prices={server.spec: (1000.0, 10_000.0)},
            model_first_token_s=60,
            chat_max_requests=5,
            chat_max_calls=6,
            capability_modules=MODULES,
        ) as workbench:
            assert isinstance(workbench, LocalWorkbench)
            chat = workbench.chat
            assert isinstance(chat, LocalChat)
            yield Desk(workbench, chat, server)


@pytest.fixture
def desk(opened: Desk) -> Desk:
    """Give the desk with a server that has been asked nothing, and models in good health."""
    from fraktal_kernel.agents.models.answers import breakers_of

    opened.server.asked.clear()
    opened.server.left.clear()
    for model in opened.workbench.settings.models:
        breakers_of(opened.workbench.engine).tell(model, failed=False)
    return opened
