"""Clients that leave a stream after each of its events, through Envoy, and then the books: one settlement each.

    python -m bench.leaving [--database-url postgresql://…]

What is streamed are recorded answers of four providers (see `kills_upstreams`), under both policies of `on_disconnect`. With
`drain` the ledger must have the upstream's own counts, whenever the client left; with `cancel` no more than those, and those
for an answer that was read to its end.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa

from bench.kills import Clients, Surface, environment
from bench.kills_upstreams import SHARED, OwnProvider, Replay, Tokens, Upstream
from bench.processes import Process
from bench.run import KEY
from services.billing.ledger.tables import holds, transfers
from services.billing.usage_tables import usage
from services.storage.database import open_database
from tests.gateway import free_port

EVENTS = 40
POLICIES = ("cancel", "drain")


class Leaver(Clients):
    """Clients that read so many events and no more. left: after how many, under which policy, by the number of the call."""

    def __init__(self, url: str, models: tuple[str, ...]) -> None:
        super().__init__(url, models)
        self.left: dict[int, tuple[int, str]] = {}

    async def leave(self, session: aiohttp.ClientSession, events: int, policy: str, key: str) -> None:
        self.next += 1
        number = self.next
        self.left[number] = events, policy
        surface, model = self.surface_of(number)
        body = {**surface.body(f"call {number} please"), "model": model, "stream": True}
        headers = {"authorization": f"Bearer {key}"}
        response = await session.post(self.url + surface.path, json=body, headers=headers)
        try:
            await self._read(response, number, surface, events)
        finally:
            response.close()  # the connection as well

    async def _read(self, response: aiohttp.ClientResponse, number: int, surface: Surface, events: int) -> None:
        seen = 0
        while seen < events:
            line = await response.content.readline()
            if not line:
                return
            seen += line.startswith(b"data: ")
            self.heed(number, surface, line)
            if surface.last in line:
                self.complete[number] = self.told.get(number, 0.0)
                return


def problems(connection: sa.Connection, counted: dict[int, Tokens], clients: Leaver) -> list[str]:
    """What is wrong with the books."""
    found = []
    rows: dict[str, Any] = {row.response_id: row for row in connection.execute(sa.select(usage))}
    captures = Counter(row.response_id for row in connection.execute(sa.select(transfers)) if row.kind == "capture")
    amounts = {row.response_id: row.amount for row in connection.execute(sa.select(transfers)) if row.kind == "capture"}
    for number, id_ in clients.began.items():
        (events, policy), row = clients.left[number], rows.get(id_)
        where = f"call {number}, left after {events} events ({policy})"
        if row is None:
            found.append(f"{where}: not in the ledger")
            continue
        tokens = (row.input, row.cache_read, row.cache_write_5m + row.cache_write_1h, row.output)
        if captures[id_] != bool(row.cost) or amounts.get(id_, 0) != (row.cost or 0):
            found.append(f"{where}: {captures[id_]} captures of {amounts.get(id_)}, for {row.cost}")
        whole = policy == "drain" or number in clients.complete or row.status == "completed"
        if whole and tokens != counted[number]:
            found.append(f"{where}: {tokens} tokens ({row.counted}), of {counted[number]}")
        if not whole and row.counted == "provider" and sum(tokens) > sum(counted[number]):
            found.append(f"{where}: {tokens} tokens, more than {counted[number]}")
    if len(rows) > len(counted):
        found.append(f"{len(rows)} answers in the ledger, of {len(counted)} that were asked for")
    if left := connection.execute(sa.select(sa.func.count()).select_from(holds)).scalar():
        found.append(f"{left} holds are left")
    return found


async def run(folder: Path, upstream: Upstream, database_url: str | None = None, events: int = EVENTS) -> list[str]:
    """The whole experiment; what went wrong."""
    port = free_port()
    env = {**await upstream.start(folder), **environment(folder, port, database_url)}
    command = [sys.executable, "-c", "from services.runtime.cli import main; main()", "serve"]
    gateway = await asyncio.to_thread(Process, command, folder / "gateway.log", env)
    try:
        await asyncio.to_thread(gateway.wait_for, "ready")
        clients = Leaver(f"http://127.0.0.1:{port}", upstream.models)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), read_bufsize=1 << 20) as session:
            for policy in POLICIES:
                asked = {"name": policy, "settings": {"on_disconnect": policy}}
                headers = {"authorization": f"Bearer {KEY}"}
                async with session.post(f"{clients.url}/v1/keys", json=asked, headers=headers) as made:
                    key = (await made.json())["key"]
                for count in range(1, events + 1):
                    each = (clients.leave(session, count, policy, key) for _ in upstream.models)
                    await asyncio.gather(*each)
        counted, _ = await upstream.counted()
        database, deadline = open_database(folder / "data", database_url), time.monotonic() + 30
        while True:  # until what is read on has ended
            with database.begin() as connection:
                found = problems(connection, counted, clients)
            if not found or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
    finally:
        await asyncio.to_thread(gateway.stop)
        await upstream.stop()
    print(
        f"{clients.next} clients left after 1 to {events} events, {len(clients.began)} of them had seen an id and"
        f" {len(clients.complete)} the end; {len(found)} problems"
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url", help="an empty PostgreSQL database; without it SQLite")
    arguments = parser.parse_args()
    upstream = Replay() if SHARED.is_dir() else OwnProvider()
    with tempfile.TemporaryDirectory(prefix="leaving-") as folder:
        found = asyncio.run(run(Path(folder), upstream, arguments.database_url))
    for each in found[:20]:
        print(each)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
