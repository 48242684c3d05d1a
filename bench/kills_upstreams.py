"""What answers while workers are killed, and counts the tokens of each call: recorded answers of real providers, or our own.

The replay server of the folder beside the project plays answers of four providers in their own formats, so that the ledger is
held to what they counted. Its counts are those of a few dozen recordings; our own provider gives each call counts of its
own, which shows a mixed-up pair of calls as well, and needs no other folder.
"""

import asyncio
import contextlib
import json
import re
import sys
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
from aiohttp import web

from bench.processes import Process
from tests.gateway import free_port

SHARED: Final = Path(__file__).resolve().parents[2] / "shared"
CHUNKS: Final = 30
PACE_S: Final = 0.01

Tokens = tuple[int, int, int, int]
"""Fresh input, read from a cache, written to one, output."""

_NUMBER: Final = re.compile(r"call (\d+) please")


class Upstream(Protocol):
    """models: what calls ask for, in turn."""

    models: tuple[str, ...]

    async def start(self, folder: Path) -> dict[str, str]:
        """Serves; the variables that point a gateway at it."""
        ...

    async def counted(self) -> tuple[dict[int, Tokens], set[int]]:
        """What it counted for each call, by the number in its prompt, and which of them it sent to their end."""
        ...

    async def stop(self) -> None: ...


@dataclass
class OwnProvider:
    """Speaks the Responses API of OpenAI."""

    models: tuple[str, ...] = ("openai/gpt-5.4",)
    _tokens: dict[int, Tokens] = field(default_factory=dict)
    _finished: set[int] = field(default_factory=set)
    _runner: web.AppRunner | None = None

    async def start(self, folder: Path) -> dict[str, str]:  # noqa: ARG002
        app = web.Application()
        app.router.add_post("/v1/responses", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        port = free_port()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return {"OPENAI_API_KEY": "sk-none", "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}

    async def counted(self) -> tuple[dict[int, Tokens], set[int]]:
        return self._tokens, self._finished

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        number = number_in(await request.text())
        self._tokens[number] = tokens = (100 + number % 977, 0, 0, 20 + number % 89)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for event in _events(tokens):
                await asyncio.sleep(self.pause_s(number, event["sequence_number"]))
                await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self._finished.add(number)
        return response

    def pause_s(self, number: int, index: int) -> float:  # noqa: ARG002  # for others to vary
        """Seconds before an event of a call."""
        return PACE_S


@dataclass
class Replay:
    """Recorded streams, event by event, in turn for each provider."""

    models: tuple[str, ...] = (
        "openai/gpt-5.4",
        "anthropic/claude-sonnet-5-5",
        "mistral/mistral-medium-3.5",
        "xai/grok-4.3",
    )
    _server: Process | None = None
    _url: str = ""
    _tokens: dict[str, Tokens] = field(default_factory=dict)

    async def start(self, folder: Path) -> dict[str, str]:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "replay.server", "--port", str(port), "--recordings", f"{SHARED}/recordings"]
        without_bytecode = {"PYTHONPATH": str(SHARED), "PYTHONDONTWRITEBYTECODE": "1"}
        self._server = await asyncio.to_thread(Process, command, folder / "replay.log", without_bytecode)
        orders = [
            {"provider": provider, "recording": id_, "chunking": "event", "delay_ms": PACE_S * 1000}
            for provider, ids in self._recordings().items()
            for id_ in islice(cycle(ids), 5000)
        ]
        async with aiohttp.ClientSession() as session:
            for _ in range(100):
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with session.post(f"{self._url}/_/queue", json=orders) as answer:
                        answer.raise_for_status()
                        break
                await asyncio.sleep(0.1)
        return {
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": f"{self._url}/openai/v1",
            "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_BASE_URL": f"{self._url}/anthropic",
            "MISTRAL_API_KEY": "none",
            "MISTRAL_BASE_URL": f"{self._url}/mistral",
            "XAI_API_KEY": "none",
            "XAI_BASE_URL": f"{self._url}/xai/v1",
        }

    async def counted(self) -> tuple[dict[int, Tokens], set[int]]:
        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/_/requests") as answer:
            seen = [each for each in await answer.json() if each["recording"]]
        tokens = {number_in(json.dumps(each["body"])): self._tokens[each["recording"]] for each in seen}
        if len(tokens) != len(seen):
            raise RuntimeError(f"{len(seen)} requests of {len(tokens)} calls: some were asked twice")
        whole = {number_in(json.dumps(each["body"])) for each in seen if each["bytes_sent"] == each["bytes_total"]}
        return tokens, whole

    async def stop(self) -> None:
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)

    def _recordings(self) -> dict[str, list[str]]:
        """Plain streams of a few to a hundred events, whose provider says how many tokens they have."""
        sys.path.append(str(SHARED))
        from replay import facts, wire  # noqa: PLC0415

        found: dict[str, list[str]] = {model.partition("/")[0]: [] for model in self.models}
        apis = {f"{provider}.{api}" for provider in found for api in ("responses", "messages")} | {"mistral.chat"}
        for recording in wire.load([SHARED / "recordings"]):
            if recording["api"] not in apis or not wire.is_streaming(recording):
                continue
            said = facts.facts(recording)
            used, events = said.usage, len(wire.recorded_answer(recording).frames)
            if used and not used.uncertain and said.finish == "stop" and not said.web_searches and 4 < events < 100:
                found[recording["provider"]].append(recording["id"])
                self._tokens[recording["id"]] = (used.fresh, used.cache_read, used.cache_write, used.output)
        return found


def number_in(text: str) -> int:
    """The number of a call, from a request."""
    found = _NUMBER.search(text)
    assert found is not None, text
    return int(found[1])


def _events(tokens: Tokens) -> list[dict[str, Any]]:
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    shared = {"id": "resp_up", "object": "response", "created_at": 1, "model": "gpt-5.4", "output": []}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**shared, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **where, "part": part},
    ]
    events += [{"type": "response.output_text.delta", **where, "delta": "word ", "logprobs": []} for _ in range(CHUNKS)]
    text = "word " * CHUNKS
    done = {**item, "status": "completed", "content": [{**part, "text": text}]}
    counts = {
        "input_tokens": tokens[0],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tokens[3],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens[0] + tokens[3],
    }
    events += [
        {"type": "response.output_text.done", **where, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **where, "part": {**part, "text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {
            "type": "response.completed",
            "response": {**shared, "status": "completed", "output": [done], "usage": counts},
        },
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]
