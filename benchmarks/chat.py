"""What a durable step of the chat costs beside a step of pydantic-ai's own agent, in CPU time.

Both talk to the same scripted server over HTTP, offer it the same tools, stream what it says, and
ask again behind each call of a tool. Ours is a job: its server and its worker are counted together,
the journal, the events that pages hear and the conversation in the database included. The calls are
of a tool that there is not, so that no child job is counted, which is a tool's own work and not the
step's. One round of ours and one of the peer's take turns, each in processes of their own, and what
is told is the median of the differences: the clock of a processor wanders more between two minutes
than the two differ.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.core.workbench import Workbench

STEPS = 20
ROUNDS = 25
SERVER = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        turn = sum(message["role"] == "assistant" for message in asked["messages"])
        said = [{"content": "Let me "}, {"content": "see."}]
        if turn < STEPS - 1:
            call = {"name": "nothing", "arguments": "{}"}
            said.append({"tool_calls": [
                {"index": 0, "id": f"call-{turn}", "type": "function", "function": call}]})
        events = [{"delta": delta, "index": 0, "finish_reason": None} for delta in said]
        events.append({"delta": {}, "index": 0, "finish_reason": "stop"})
        body = b"".join(
            b"data: " + json.dumps({
                "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [choice]}).encode() + b"\\n\\n"
            for choice in events) + b"data: [DONE]\\n\\n"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def cpu_s(processes: list[psutil.Process]) -> float:
    """Add up the CPU time of processes."""
    return sum(each.cpu_times().user + each.cpu_times().system for each in processes)


def durable(workbench: LocalWorkbench, number: int) -> float:
    """Take one turn; returns milliseconds of CPU a step."""
    dispatcher = workbench.engine.dispatcher
    assert dispatcher is not None
    pids = [worker.pid for worker in dispatcher.hub.workers.values()]
    processes = [psutil.Process(), *(psutil.Process(pid) for pid in pids)]
    began = cpu_s(processes)
    turn = workbench.chat.send(f"Go on, round {number}")
    job = workbench.job(turn.job_id)
    while not job.refresh().ended:
        time.sleep(0.25)  # looking seldom, or our looks would be counted
    used = cpu_s(processes) - began
    message = workbench.chat.message(turn.answer_id)
    calls = [part for part in message.details.parts if part["say"] == "call"]
    assert message.state == "done" and len(calls) == STEPS - 1, message
    return used / STEPS * 1000


def peer(url: str) -> None:
    """Let pydantic-ai's own agent do the same, a round for each line of the standard input.

    Writes milliseconds of CPU a step for each.
    """
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.tools import ToolDefinition
    from pydantic_ai.toolsets import ExternalToolset

    from fraktal_kernel.agents.chat.tools import offered, tools_for
    from fraktal_kernel.agents.chat.turn import LOOKING
    from fraktal_kernel.agents.offline.questions import questions

    looking = {name: item for name, item in questions.items() if name in LOOKING}
    definitions = [
        ToolDefinition(
            name=tool.name, description=tool.description, parameters_json_schema=tool.schema
        )
        for tool in tools_for([], offered(looking))
    ]
    agent = Agent(
        OpenAIChatModel("m", provider=OpenAIProvider(base_url=url, api_key="none")),
        toolsets=[ExternalToolset(definitions)],
    )

    @agent.tool_plain
    def nothing() -> str:
        """Do nothing."""
        return "there is no tool 'nothing'; use one of those offered."

    async def listen(_: Any, events: AsyncIterable[Any]) -> None:
        async for _event in events:
            pass

    async def rounds() -> None:
        for line in sys.stdin:
            began = cpu_s([psutil.Process()])
            await agent.run(f"Go on, round {line}", event_stream_handler=listen)
            print((cpu_s([psutil.Process()]) - began) / STEPS * 1000, flush=True)

    asyncio.run(rounds())


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run Python beside us."""
    process = subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def line_of(process: subprocess.Popen[str], said: str = "") -> str:
    """Say a line to a process, if there is one to say, and hear its next."""
    assert process.stdin is not None and process.stdout is not None
    if said:
        process.stdin.write(f"{said}\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


def main() -> None:
    with started("-c", SERVER.replace("STEPS", str(STEPS))) as server:
        url = f"http://127.0.0.1:{line_of(server)}/v1"
        with (
            started("-m", "benchmarks.chat", url) as other,
            tempfile.TemporaryDirectory(dir=".") as data,
            Workbench.open(
                data=data,
                workers=1,
                models=[f"openai:m@{url}"],
                chat_max_requests=100,
                chat_max_calls=1000,
            ) as workbench,
        ):
            assert isinstance(workbench, LocalWorkbench)
            workbench.start()
            workbench.job(workbench.chat.send("Warm up").job_id).wait(120)
            line_of(other, "warm up")
            rounds = [
                (durable(workbench, number), float(line_of(other, str(number))))
                for number in range(ROUNDS)
            ]
    ours, theirs = (statistics.median(each) for each in zip(*rounds, strict=True))
    value = statistics.median(one - other for one, other in rounds)
    print(
        json.dumps(
            {
                "figure": "agent_step_overhead",
                "value": round(value, 3) + 0.0,
                "unit": "ms CPU a step",
                "peer": f"pydantic-ai's agent: {theirs:.2f} ms a step, ours {ours:.2f}",
                "ratio": round(ours / theirs, 3),
            }
        )
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        peer(sys.argv[1])
    else:
        main()
