"""Kills workers again and again while streams run through them, and then looks at the books.

    python -m bench.kills [--kills 300] [--workers 2] [--streams 16] [--database-url postgresql://…]

A fake provider gives every call token counts of its own and remembers them. What must be true afterwards: every answer whose
last event a client has seen is in the ledger exactly once, with the provider's counts and the cost the client was told; what
dead workers held is given back; nothing was charged twice, and the sum of all accounts is nothing.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import sqlalchemy as sa
from aiohttp import web

from bench.processes import Process, command_line
from bench.run import KEY, free_port
from services.billing.ledger.tables import accounts, holds, transfers
from services.billing.usage_tables import usage
from services.storage.database import open_database

ROOT: Final = Path(__file__).resolve().parents[1]
MODEL: Final = "openai/gpt-5.4"
LEASE_S: Final = 3
CREDITS: Final = 1000
CHUNKS: Final = 30
PACE_S: Final = 0.01


@dataclass
class Provider:
    """Streams answers. counted: tokens of each call by the number in its prompt; finished: those sent to their end."""

    counted: dict[int, tuple[int, int]] = field(default_factory=dict)
    finished: set[int] = field(default_factory=set)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = int(json.dumps(body["input"]).split("call ")[1].split(" ")[0])
        self.counted[number] = tokens = (100 + number % 977, 20 + number % 89)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for event in _events(tokens):
                await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                await asyncio.sleep(PACE_S)
            self.finished.add(number)
        return response


def _events(tokens: tuple[int, int]) -> list[dict[str, Any]]:
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
        "output_tokens": tokens[1],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": sum(tokens),
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


@dataclass
class Clients:
    """Streams of clients. complete: what the last event said, by the number of the call; broken: how many had none."""

    url: str
    complete: dict[int, dict[str, Any]] = field(default_factory=dict)
    broken: int = 0
    next: int = 0
    stopping: bool = False

    async def run(self, session: aiohttp.ClientSession) -> None:
        while not self.stopping:
            self.next += 1
            number = self.next
            try:
                last = await self._one(session, number)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                last = None
            if last is None:
                self.broken += 1
                await asyncio.sleep(0.05)
            else:
                self.complete[number] = last

    async def _one(self, session: aiohttp.ClientSession, number: int) -> dict[str, Any] | None:
        body = {
            "model": MODEL,
            "input": f"call {number} please",
            "stream": True,
            "store": False,
            "max_output_tokens": 200,
        }
        async with session.post(f"{self.url}/v1/responses", json=body) as response:
            async for line in response.content:
                if line.startswith(b"data: ") and b'"response.completed"' in line[:60]:
                    answer: dict[str, Any] = json.loads(line[6:])["response"]
                    return answer
        return None


def serving_workers(gateway: Process) -> list[int]:
    """Workers that have a socket to serve on; the one on standby has none yet."""
    listening = {line.split()[6] for line in Path("/proc/net/unix").read_text().split("\n") if "/worker-" in line}
    found = []
    for pid in gateway.pids():
        with contextlib.suppress(OSError):
            if "runtime.worker" in command_line(pid) and listening & _sockets(pid):
                found.append(pid)
    return found


def _sockets(pid: int) -> set[str]:
    links = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.add(os.readlink(descriptor).removeprefix("socket:[").removesuffix("]"))  # noqa: PTH115
    return links


async def kill(gateway: Process, clients: Clients, kills: int, seed: int) -> None:
    """Ends workers at random moments, once the last one has been got over."""
    chance = random.Random(seed)
    done = 0
    while done < kills:
        before, patience = len(clients.complete), time.monotonic() + 10
        while len(clients.complete) == before and time.monotonic() < patience:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(chance.uniform(0.0, 0.8))
        if workers := await asyncio.to_thread(serving_workers, gateway):
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
                done += 1


def problems(connection: sa.Connection, provider: Provider, clients: Clients) -> list[str]:
    """What is wrong with the books."""
    found = []
    rows = {row.response_id: row for row in connection.execute(sa.select(usage))}
    moved = connection.execute(sa.select(transfers)).all()
    captured = {row.response_id: row.amount for row in moved if row.kind == "capture"}
    for number, answer in clients.complete.items():
        row = rows.get(answer["id"])
        if row is None:
            found.append(f"call {number}: its client saw the end of {answer['id']}, which is not in the ledger")
        elif (row.input, row.output) != provider.counted[number]:
            found.append(f"call {number}: {row.input} and {row.output} tokens, of {provider.counted[number]}")
        elif row.cost != captured.get(answer["id"]) or row.cost != round(answer["cost"]["total"] * 1e9):
            found.append(f"call {number}: its client was told {answer['cost']}, the ledger says {row.cost}")
    if len(rows) > len(provider.counted):
        found.append(f"{len(rows)} answers in the ledger, of {len(provider.counted)} that were asked for")
    if unfinished := [row for row in rows.values() if row.status == "completed" and row.counted != "provider"]:
        found.append(f"{len(unfinished)} completed answers that nobody counted")
    if left := connection.execute(sa.select(sa.func.count()).select_from(holds)).scalar():
        found.append(f"{left} holds are left")
    books = {row.id: row for row in connection.execute(sa.select(accounts))}
    if sum(row.balance for row in books.values()) != 0:
        found.append("the sum of all accounts is not nothing")
    owner = books["org:org_default"]
    if (owner.balance, owner.held) != (CREDITS * 10**9 - sum(captured.values()), 0):
        found.append(f"the account has {owner.balance} and {owner.held} held; {sum(captured.values())} were charged")
    return found


async def run(
    folder: Path, *, kills: int, workers: int, streams: int, database_url: str | None, seed: int = 1
) -> list[str]:
    """The whole experiment; what went wrong."""
    provider = Provider()
    app = web.Application()
    app.router.add_post("/v1/responses", provider.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    upstream = free_port()
    await web.TCPSite(runner, "127.0.0.1", upstream).start()
    port = free_port()
    env = {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        "PORT": str(port),
        "WORKERS": str(workers),
        "CONCENTRATE_DATA_DIR": str(folder / "data"),
        "CONCENTRATE_DISCOVER_LOCAL": "off",
        "CONCENTRATE_BOOTSTRAP_KEY": KEY,
        "CONCENTRATE_BOOTSTRAP_CREDITS_USD": str(CREDITS),
        "CONCENTRATE_ACCESS_LOG": "off",
        "HOLD_LEASE_SECONDS": str(LEASE_S),
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        **({"DATABASE_URL": database_url} if database_url else {}),
    }
    command = [sys.executable, "-c", "from services.runtime.cli import main; main()", "serve"]
    gateway = await asyncio.to_thread(Process, command, folder / "gateway.log", env)
    try:
        await asyncio.to_thread(gateway.wait_for, "ready")
        clients = Clients(f"http://127.0.0.1:{port}")
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(headers={"authorization": f"Bearer {KEY}"}, timeout=timeout) as session:
            running = [asyncio.create_task(clients.run(session)) for _ in range(streams)]
            await kill(gateway, clients, kills, seed)
            clients.stopping = True
            await asyncio.gather(*running)
        database = open_database(folder / "data", database_url)
        deadline = time.monotonic() + LEASE_S * 4 + 15
        while True:  # until what the dead held has expired
            with database.begin() as connection:
                found = problems(connection, provider, clients)
            if not any("held" in each or "holds" in each for each in found) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
    finally:
        await asyncio.to_thread(gateway.stop)
        await runner.cleanup()
    print(
        f"{kills} kills of {workers} workers: {clients.next} calls, {len(clients.complete)} seen to their end,"
        f" {clients.broken} broken; {len(provider.finished)} finished by the provider; {len(found)} problems"
    )
    if len(clients.complete) < kills:
        found.append(f"only {len(clients.complete)} answers were seen to their end: that shows little")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database-url", help="an empty PostgreSQL database; without it SQLite")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        options = {name: getattr(arguments, name) for name in ("kills", "workers", "streams", "database_url", "seed")}
        found = asyncio.run(run(Path(folder), **options))
    for each in found[:20]:
        print(each)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
