"""A database that is slow delays only the last event of an answer, and that by a bound; what it could not keep is said."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from services.generation.generator import Generator
from services.responses.service import Responses
from services.responses.state.asking import Asking
from services.responses.state.summaries import Summaries
from services.routing.affinity import Affinity
from services.routing.breaker import Breakers
from services.routing.failover import Failover
from services.routing.health import LiveHealth
from services.routing.metrics.live import LiveMetrics
from services.storage.database import Database
from services.storage.sealing import Sealer
from services.store import store as store_room
from services.store.store import DAY_S, Store
from tests.rpc.kit import ANN, FixedAdapters, FixedMeter, FixedRouter
from tests.storage.kit import opened

BOUND_S = 0.7


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(tmp_path, None) as database:
        yield database


async def answered(database: Database, *, stream: bool) -> tuple[list[tuple[float, str]], dict[str, object]]:
    """When each piece of an answer came, and the response."""
    store = Store(database, Sealer(), retention_s=DAY_S)
    health = LiveHealth(LiveMetrics(clock=time.time), Breakers(Random()), time.time)
    responses = Responses(Generator(FixedRouter(), Failover(FixedAdapters(), health), FixedMeter(), Affinity()))
    body = json.dumps({"model": "m1", "input": "Hi", "stream": stream}).encode()
    asked = await Asking(store, Summaries(Sealer())).read(body, ANN)
    generation = await responses.open(asked.call, ANN, asked.state)
    began = time.monotonic()
    if not stream:
        whole = await responses.whole(generation, asked.recorder)
        return [(time.monotonic() - began, "whole")], json.loads(whole)
    came, last = [], b""
    async for data in responses.sse(generation, asked.recorder):
        came.append((time.monotonic() - began, data.decode()))
        last = data
    return came, json.loads(last.split(b"data: ")[-2].partition(b"\n")[0])["response"]


@pytest.mark.parametrize("stream", [True, False])
async def test_only_the_end_waits_and_not_for_long(database: Database, monkeypatch: pytest.MonkeyPatch, stream: bool):
    """All that came before is out at once; the end says that the response was not stored."""
    monkeypatch.setattr(store_room, "KEEP_PATIENCE_S", BOUND_S)
    begun, over = threading.Event(), threading.Event()
    busy = asyncio.create_task(database.writer.submit(lambda _: begun.set() or over.wait(60), patience_s=60))
    await asyncio.to_thread(begun.wait)
    try:
        came, response = await answered(database, stream=stream)
    finally:
        over.set()
    waits = [after - before for before, after in pairwise([0.0, *(at for at, _ in came)])]
    assert [wait >= BOUND_S for wait in waits] == [False] * (len(waits) - 1) + [True]
    assert response["status"] == "completed"
    assert response["store"] is False
    losses = response["translation_losses"]
    assert isinstance(losses, list)
    assert [loss["param"] for loss in losses] == ["store"]
    await busy


async def test_a_database_that_answers_delays_nothing(database: Database):
    """And the response is stored when its end is heard of."""
    came, response = await answered(database, stream=True)
    assert response["store"] is True
    assert came
    found = await Store(database, Sealer(), retention_s=DAY_S).find(ANN.key_id, str(response["id"]))
    assert found is not None
    assert json.loads(found.body) == response
