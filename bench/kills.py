"""Kills workers again and again while streams run through them, and then looks at the books.

    python -m bench.kills [--kills 300] [--workers 2] [--streams 16] [--own-provider] [--database-url postgresql://…]

Clients of three formats stream from what `kills_upstreams` plays, which counts the tokens of each call. What must be true
afterwards: every answer whose last event a client has seen is in the ledger exactly once, with the upstream's own counts and
the cost the client was told; so is every other answer that the ledger has as complete; what dead workers held is given back;
nothing was charged twice, and the sum of all accounts is nothing.
"""

import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import sqlalchemy as sa

from bench.kills_upstreams import SHARED, OwnProvider, Replay, Tokens, Upstream
from bench.processes import Process, command_line
from bench.run import KEY
from services.billing.ledger.tables import accounts, holds, transfers
from services.billing.usage_tables import usage
from services.storage.database import open_database
from tests.gateway import free_port

ROOT: Final = Path(__file__).resolve().parents[1]
LEASE_S: Final = 3
CREDITS: Final = 10_000
OUTPUT_MAX: Final = 2000


@dataclass(frozen=True)
class Surface:
    """A public format. last: what only its last event has; cost: what only the one with the cost has."""

    path: str
    body: Callable[[str], dict[str, Any]]
    prefix: str
    last: bytes
    cost: bytes


def _chat(prompt: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}], "max_tokens": OUTPUT_MAX}


_RESPONSES: Final = Surface(
    "/v1/responses",
    lambda prompt: {"input": prompt, "store": False, "max_output_tokens": OUTPUT_MAX},
    "resp_",
    b'"type":"response.completed"',
    b'"type":"response.completed"',
)
SURFACES: Final = {
    "openai": _RESPONSES,
    "xai": _RESPONSES,
    "anthropic": Surface("/v1/messages", _chat, "msg_", b'"type":"message_stop"', b'"type":"message_delta"'),
    "mistral": Surface("/v1/chat/completions", _chat, "chatcmpl-", b"data: [DONE]", b'"cost":{'),
}
_ID: Final = re.compile(rb'"id":"(resp_|msg_|chatcmpl-)([0-9a-f]+)"')
_TOTAL: Final = re.compile(rb'"cost":\{"total":([0-9.e-]+)')


@dataclass
class Clients:
    """Streams of clients. By the number of the call: ids of what began, costs that were told, costs of what came to its end."""

    url: str
    models: Sequence[str]
    began: dict[int, str] = field(default_factory=dict)
    told: dict[int, float] = field(default_factory=dict)
    complete: dict[int, float] = field(default_factory=dict)
    broken: int = 0
    next: int = 0
    stopping: bool = False

    async def run(self, session: aiohttp.ClientSession) -> None:
        while not self.stopping:
            self.next += 1
            number = self.next
            try:
                cost = await self._one(session, number)
            except (aiohttp.ClientError, TimeoutError):
                cost = None
            if cost is None:
                self.broken += 1
                await asyncio.sleep(0.05)
            else:
                self.complete[number] = cost

    def surface_of(self, number: int) -> tuple[Surface, str]:
        """How a call is made, and of which model."""
        model = self.models[number % len(self.models)]
        return SURFACES[model.partition("/")[0]], model

    def heed(self, number: int, surface: Surface, line: bytes) -> None:
        """Notes the id and the cost that a line of a stream tells."""
        if number not in self.began and (found := _ID.search(line)) and found[1].decode() == surface.prefix:
            self.began[number] = f"resp_{found[2].decode()}"
        if surface.cost in line and (cost := _TOTAL.search(line)):
            self.told[number] = float(cost[1])

    async def _one(self, session: aiohttp.ClientSession, number: int) -> float | None:
        """What it cost; None when its last event did not come."""
        surface, model = self.surface_of(number)
        body = {**surface.body(f"call {number} please"), "model": model, "stream": True}
        async with session.post(self.url + surface.path, json=body) as response:
            async for line in response.content:
                self.heed(number, surface, line)
                if surface.last in line:
                    return self.told.get(number)
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


def problems(connection: sa.Connection, counted: dict[int, Tokens], clients: Clients) -> list[str]:
    """What is wrong with the books."""
    found = []
    rows = {row.response_id: row for row in connection.execute(sa.select(usage))}
    moved = connection.execute(sa.select(transfers)).all()
    captured = {row.response_id: row.amount for row in moved if row.kind == "capture"}
    for number, id_ in clients.began.items():
        row, told = rows.get(id_), clients.complete.get(number)
        if told is not None and row is None:
            found.append(f"call {number}: its client saw the end of {id_}, which is not in the ledger")
        if row is None or (told is None and row.status != "completed"):
            continue
        tokens = (row.input, row.cache_read, row.cache_write_5m + row.cache_write_1h, row.output)
        if tokens != counted[number] or row.counted != "provider":
            found.append(f"call {number}: {tokens} tokens ({row.counted}), of {counted[number]}")
        if row.cost != captured.get(id_) or (told is not None and row.cost != round(told * 1e9)):
            found.append(f"call {number}: its client was told {told}, the ledger says {row.cost}")
    if lost := clients.complete.keys() - clients.began.keys():
        found.append(f"{len(lost)} answers had no id")
    if len(rows) > len(counted):
        found.append(f"{len(rows)} answers in the ledger, of {len(counted)} that were asked for")
    if left := connection.execute(sa.select(sa.func.count()).select_from(holds)).scalar():
        found.append(f"{left} holds are left")
    books = {row.id: row for row in connection.execute(sa.select(accounts))}
    if sum(row.balance for row in books.values()) != 0:
        found.append("the sum of all accounts is not nothing")
    owner = books["org:org_default"]
    if (owner.balance, owner.held) != (CREDITS * 10**9 - sum(captured.values()), 0):
        found.append(f"the account has {owner.balance} and {owner.held} held; {sum(captured.values())} were charged")
    return found


def environment(folder: Path, port: int, database_url: str | None) -> dict[str, str]:
    """Variables of a gateway whose state is in the folder, with limited credit and short leases."""
    return {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}",
        "PORT": str(port),
        "CONCENTRATE_DATA_DIR": str(folder / "data"),
        "CONCENTRATE_DISCOVER_LOCAL": "off",
        "CONCENTRATE_BOOTSTRAP_KEY": KEY,
        "CONCENTRATE_BOOTSTRAP_CREDITS_USD": str(CREDITS),
        "CONCENTRATE_ACCESS_LOG": "off",
        "HOLD_LEASE_SECONDS": str(LEASE_S),
        **({"DATABASE_URL": database_url} if database_url else {}),
    }


async def run(
    folder: Path,
    *,
    kills: int,
    workers: int,
    streams: int,
    upstream: Upstream,
    database_url: str | None = None,
    seed: int = 1,
) -> list[str]:
    """The whole experiment; what went wrong."""
    port = free_port()
    env = {**await upstream.start(folder), **environment(folder, port, database_url), "WORKERS": str(workers)}
    command = [sys.executable, "-c", "from services.runtime.cli import main; main()", "serve"]
    gateway = await asyncio.to_thread(Process, command, folder / "gateway.log", env)
    try:
        await asyncio.to_thread(gateway.wait_for, "ready")
        clients = Clients(f"http://127.0.0.1:{port}", upstream.models)
        timeout = aiohttp.ClientTimeout(total=20)
        headers = {"authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, read_bufsize=1 << 20) as session:
            running = [asyncio.create_task(clients.run(session)) for _ in range(streams)]
            await kill(gateway, clients, kills, seed)
            clients.stopping = True
            await asyncio.gather(*running)
        counted, finished = await upstream.counted()
        database = open_database(folder / "data", database_url)
        deadline = time.monotonic() + LEASE_S * 4 + 15
        while True:  # until what the dead held has expired
            with database.begin() as connection:
                found = problems(connection, counted, clients)
            if not any("held" in each or "holds" in each for each in found) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
    finally:
        await asyncio.to_thread(gateway.stop)
        await upstream.stop()
    seen = [counted[number] for number in clients.complete if number in counted]
    print(
        f"{kills} kills of {workers} workers: {clients.next} calls, {len(clients.complete)} seen to their end,"
        f" {clients.broken} broken; {len(finished)} finished by the provider, who counted"
        f" {sum(map(sum, seen))} tokens of those seen; {len(found)} problems"
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
    parser.add_argument("--own-provider", action="store_true", help="instead of the replay server beside the project")
    parser.add_argument("--database-url", help="an empty PostgreSQL database; without it SQLite")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        options = {name: getattr(arguments, name) for name in ("kills", "workers", "streams", "database_url", "seed")}
        upstream = OwnProvider() if arguments.own_provider or not SHARED.is_dir() else Replay()
        found = asyncio.run(run(Path(folder), upstream=upstream, **options))
    for each in found[:20]:
        print(each)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
