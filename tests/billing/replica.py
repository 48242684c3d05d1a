"""One replica for `test_replicas.py`: many calls at once, of one key, against what others spend too.

python -m tests.billing.replica FOLDER URL SEED CALLS
"""

import asyncio
import json
import sys
from os import getpid
from pathlib import Path
from random import Random
from time import time

from services.billing.ledger.lease import Lease
from services.billing.meter import LedgerMeter
from services.billing.pricing import Pricing
from services.catalog.catalog import load
from services.catalog.schema import Facts, Target
from services.errors import InsufficientCredits
from services.ports import Order, Outcome
from services.storage.database import open_database
from services.storage.migrate import migrate
from services.vocabulary.caller import Caller
from services.vocabulary.usage import Usage

TARGET = Target(load().providers["openai"], "openai_responses", "gpt-5.4", "gpt-5.4", Facts(max_output=128_000))
CALLER = Caller("capped", org_id="a")


async def main(folder: Path, url: str | None, seed: int, calls: int) -> dict[str, int]:
    """What this replica was let do: answers, refusals, and what the answers cost in nano-dollars."""
    random = Random(seed)
    database = open_database(folder, url)
    migrate(database)
    meter = LedgerMeter(database, Pricing(), clock=time, lease=Lease(database, clock=time, random=random))
    await meter.start()
    said = {"answers": 0, "refusals": 0, "cost": 0}

    async def call(number: int) -> None:
        limit = random.choice([1000, 2000, None])
        id = f"resp_{getpid()}_{number}"
        try:
            hold = await meter.hold(Order(id, "responses", "auto", [TARGET], 100, limit), CALLER)
        except InsufficientCredits:
            said["refusals"] += 1
            return
        await asyncio.sleep(random.random() / 20)
        if random.random() < 0.1:
            await meter.void(id, CALLER)
            return
        most = min(limit or 128_000, hold.max_output_tokens or 128_000)
        used = Usage(input=100, output=random.randrange(1, most + 1))
        outcome = Outcome(id, "responses", "auto", TARGET, used, False, "completed", True, 1, time(), 1, 2)
        costs = await asyncio.gather(*[meter.settle(outcome, CALLER) for _ in range(random.choice([1, 1, 2]))])
        assert costs[0] is not None
        said["answers"] += 1
        said["cost"] += costs[0].total

    await asyncio.gather(*map(call, range(calls)))
    await meter.close()
    await database.close()
    return said


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1]), sys.argv[2] or None, int(sys.argv[3]), int(sys.argv[4])))))
