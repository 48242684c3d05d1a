"""Work in the background as its process sees it, with a database that answers too late."""

import asyncio
import json
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.errors import Overloaded
from services.generation.generator import Generator
from services.responses.service import Responses
from services.responses.state.asking import Asking
from services.responses.state.background import Background
from services.responses.state.stored import Stored
from services.responses.state.summaries import Summaries
from services.routing.affinity import Affinity
from services.routing.breaker import Breakers
from services.routing.failover import Failover
from services.routing.health import LiveHealth
from services.routing.metrics.live import LiveMetrics
from services.storage.sealing import Sealer
from services.store.store import DAY_S, Store
from tests.rpc.kit import ANN, FixedAdapters, FixedMeter, FixedRouter
from tests.storage.kit import opened


class Late(Store):
    """Keeps what is begun, but says so too late."""

    async def begin(self, *given: Any) -> None:
        await super().begin(*given)
        raise Overloaded("The database does not answer in time.")


async def test_what_its_client_was_refused_is_not_done_later(tmp_path: Path):
    """It is found again and deleted before anybody takes it for lost work."""
    async with opened(tmp_path, None) as database:
        store, adapters = Late(database, Sealer(), retention_s=DAY_S), FixedAdapters()
        health = LiveHealth(LiveMetrics(clock=time.time), Breakers(Random()), time.time)
        responses = Responses(
            Generator(FixedRouter(), Failover(adapters, health), FixedMeter(), Affinity(), new_id=lambda: "resp_1")
        )
        asking = Asking(store, Summaries(Sealer()))
        background = Background(responses, asking, Stored(store), store, lease_s=0.6, grace_s=0)
        background.start()
        body = json.dumps({"model": "m1", "input": "Hi", "background": True}).encode()
        with pytest.raises(Overloaded):
            await background.create(await asking.read(body, ANN), body, ANN)
        assert await store.find(ANN.key_id, "resp_1") is not None
        deadline = time.monotonic() + 10
        while await store.find(ANN.key_id, "resp_1") is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        await background.close()
        assert adapters.asked == []
