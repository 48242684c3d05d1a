"""Proofs and costs of what is kept between requests, in full; the tests do the same in short.

python -m bench.state resume [--runs 1000]   # streams cut at every event, continued on another replica (PostgreSQL)
python -m bench.state kill [--count 100]     # a worker killed under responses in the background
python -m bench.state curve                  # 10,000 responses and a conversation of 2,000 items: time and memory
python -m bench.state cost [--rounds 20]     # CPU of `store: true` beside `store: false`, in the same round
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import sqlalchemy as sa
import uvloop

from bench import load
from bench.kills_upstreams import OwnProvider
from bench.processes import Process, resident_mb
from bench.run import SCENARIOS, Scenario, Target, start_gateway
from bench.state_kit import MODEL, Ended, begin_many, cut_many, wait_for_all
from services.billing.ledger.tables import transfers
from services.errors import InternalError
from services.storage.database import open_database
from tests.gateway import Gateway, serving
from tests.postgres import serving_postgres

RATIO_MAX: Final = 1.15


def resume(runs: int) -> bool:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        database = stack.enter_context(serving_postgres()).create()
        shared = {"DATABASE_URL": database, "CONCENTRATE_SECRET": "s" * 40, "CONCENTRATE_ACCESS_LOG": "off"}
        replicas = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            replicas.append(stack.enter_context(serving(folder / name, shared)))
        began = time.monotonic()
        events = asyncio.run(cut_many([replica.url for replica in replicas], replicas[0].headers, runs, at_once=16))
    print(
        f"{runs} streams cut and continued on another replica, {events} events, {time.monotonic() - began:.0f} s: equal"
    )
    return True


class SlowProvider(OwnProvider):
    """Every other call is silent at first, so that nothing is seen of it when a worker dies; the rest comes slowly."""

    def pause_s(self, number: int, index: int) -> float:
        """See `OwnProvider`."""
        if number % 2:
            return 0.1
        return 0.0 if index else 2.5


def kill(count: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found, posted = asyncio.run(_kill(Path(folder), count))
    states = Counter((state, code) for state, code in found.values())
    print(f"{count} responses, two workers killed: {dict(states)}; posted: {dict(Counter(posted.values()))}")
    once = all(posted[each] == (state == "completed") for each, (state, _) in found.items())
    return len(found) == count and once and set(states) <= {("completed", None), ("failed", InternalError.code)}


async def _kill(folder: Path, count: int) -> tuple[dict[str, Ended], dict[str, int]]:
    """How each response ended, and how often it was posted to the ledger."""
    provider = SlowProvider()
    settings = {
        "WORKERS": "2",
        "BACKGROUND_LEASE_SECONDS": "2",
        "CONCENTRATE_ACCESS_LOG": "off",
        "CONCENTRATE_BOOTSTRAP_CREDITS_USD": "1000",
        **await provider.start(folder),
    }
    with ExitStack() as stack:
        gateway = await asyncio.to_thread(stack.enter_context, serving(folder, settings))
        async with httpx.AsyncClient(base_url=gateway.url, headers=gateway.headers, timeout=30) as client:
            ids = await begin_many(client, count, "call {} please", model=provider.models[0])
            for _ in range(2):
                await asyncio.sleep(1)
                os.kill(gateway.workers()[0], signal.SIGKILL)
            found = await wait_for_all(client, ids, 60)
        database = open_database(folder / "data")
        with database.begin() as connection:
            query = sa.select(transfers.c.response_id).where(transfers.c.kind == "capture")
            posted = Counter(connection.execute(query).scalars())
    await provider.stop()
    return found, {each: posted[each] for each in ids}


def curve() -> bool:
    settings = {"CONCENTRATE_ACCESS_LOG": "off"}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, serving(Path(folder), settings) as gateway:
        asyncio.run(_curve(gateway))
    return True


async def _curve(gateway: Gateway) -> None:
    print(f"{'responses':>10}{'get ms':>9}{'list ms':>9}{'continue ms':>13}{'worker MB':>11}")
    async with httpx.AsyncClient(base_url=gateway.url, headers=gateway.headers, timeout=30) as client:
        body = {"model": MODEL, "input": "Hello there, how are you?"}
        made = (await client.post("/v1/responses", json=body)).json()["id"]
        stored = 1
        for goal in (10, 100, 1000, 2500, 5000, 7500, 10_000):
            while stored < goal:
                batch = min(16, goal - stored)
                await asyncio.gather(*[client.post("/v1/responses", json=body) for _ in range(batch)])
                stored += batch
            get = await _ms(lambda: client.get(f"/v1/responses/{made}"))
            listed = await _ms(lambda: client.get(f"/v1/responses/{made}/input_items"))
            more = await _ms(lambda: client.post("/v1/responses", json={**body, "previous_response_id": made}))
            print(f"{stored:>10}{get:>9.1f}{listed:>9.1f}{more:>13.1f}{_mb(gateway):>11.0f}")
            stored += ROUNDS
        print(f"{'items':>10}{'item ms':>9}{'list ms':>9}{'continue ms':>13}{'worker MB':>11}")
        conversation = (await client.post("/v1/conversations", json={})).json()["id"]
        path, count = f"/v1/conversations/{conversation}", 0
        for goal in (20, 200, 500, 1000, 1500, 2000):
            while count < goal:
                items = [_said(count + index) for index in range(20)]
                (await client.post(f"{path}/items", json={"items": items})).raise_for_status()
                count += 20
            middle, asked = f"msg_{count // 2}", {**body, "conversation": conversation, "store": False}
            get = await _ms(partial(client.get, f"{path}/items/{middle}"))
            listed = await _ms(partial(client.get, f"{path}/items", params={"after": middle}))
            more = await _ms(partial(client.post, "/v1/responses", json=asked), rounds=3)
            print(f"{count:>10}{get:>9.1f}{listed:>9.1f}{more:>13.1f}{_mb(gateway):>11.0f}")


ROUNDS: Final = 30


async def _ms(call: Callable[[], Coroutine[Any, Any, httpx.Response]], rounds: int = ROUNDS) -> float:
    """Median milliseconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        (await call()).raise_for_status()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _said(number: int) -> dict[str, str]:
    role = "assistant" if number % 2 else "user"
    return {"type": "message", "role": role, "content": f"What was said {number} " * 8, "id": f"msg_{number}"}


def _mb(gateway: Gateway) -> float:
    return max(map(resident_mb, gateway.workers()))


def cost(rounds: int) -> bool:
    met = True
    with ExitStack() as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = Process([sys.executable, "-m", "bench.upstream"], folder / "upstream.log")
        stack.callback(server.stop)
        upstream = f"http://127.0.0.1:{server.wait_for('ready').split()[1]}"
        process, port, _ = start_gateway(folder, upstream)
        stack.callback(process.stop)
        gateway = Target(port, [process])
        for scenario in SCENARIOS:
            if scenario.name.startswith(("native", "anthropic")) and "paced" not in scenario.name:
                met &= _cost(scenario, gateway, runner, rounds)
    return met


PIECES: Final = 3
"""Into so many a round is cut, the two kinds in turns: the machine is another one a second later."""


def _cost(scenario: Scenario, gateway: Target, runner: asyncio.Runner, rounds: int) -> bool:
    plain = scenario.work()
    piece = replace(plain, count=plain.count // PIECES)
    kept = replace(piece, body=json.dumps({**json.loads(plain.body), "store": True}).encode())
    for work in (plain, kept):
        runner.run(load.run(gateway.port, work))
    ratios, costs = [], []
    for number in range(rounds * PIECES):
        order = (piece, kept) if number % 2 else (kept, piece)
        spent = {work.body: runner.run(gateway.cost(work)).total for work in order}
        ratios.append(spent[kept.body] / spent[piece.body])
        costs.append((spent[piece.body], spent[kept.body]))
    ratio = statistics.median(ratios)
    before, after = (statistics.median(each) for each in zip(*costs, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4)
    print(
        f"{scenario.name:28} store false {before:6.0f} µs, true {after:6.0f} µs per request: "
        f"{ratio:.2f} (half of them {low:.2f}-{high:.2f}) <= {RATIO_MAX}{'' if ratio <= RATIO_MAX else ' MISSED'}"
    )
    return ratio <= RATIO_MAX


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proof", choices=("resume", "kill", "curve", "cost"))
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    match arguments.proof:
        case "resume":
            met = resume(arguments.runs)
        case "kill":
            met = kill(arguments.count)
        case "curve":
            met = curve()
        case _:
            met = cost(arguments.rounds)
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
