"""What verifying a key costs, with few keys and with many: `python -m bench.keys`.

Two numbers for each count of keys, as CPU time per call: a key that is remembered (a hash and a look into a dictionary), and
one that is looked up in the database (once after each change of its organisation). `--ratio` fails when the remembered one
costs more than so many times as much with many keys as with few.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from services.keys import first
from services.keys.keyring import DatabaseKeyRing
from services.keys.secret import Hasher, mask, new_key
from services.keys.tables import api_keys
from services.storage.database import open_database
from services.storage.migrate import migrate

CALLS = 20_000
LOOK_UPS = 500
BUSY = 1_000  # keys that are in use at the same time


async def measure(folder: Path, count: int, calls: int = CALLS) -> tuple[float, float]:
    """Microseconds of CPU per verification: of a remembered key, of one that is looked up."""
    database, hasher = open_database(folder), Hasher(b"s" * 32)
    migrate(database)
    keys = [new_key() for _ in range(count)]
    rows = [
        {
            "id": f"key_{number}", "org_id": "org_default", "name": "", "masked": mask(key), "digest": hasher.digest(key),
            "scopes": '["inference"]', "created_at": number,
        }
        for number, key in enumerate(keys)
    ]  # fmt: skip
    with database.begin() as connection:
        first.begin(connection, hasher, at=0)
        connection.execute(sa.insert(api_keys), rows)
    ring = DatabaseKeyRing(database, hasher)
    await ring.refresh()
    busy = [f"Bearer {keys[secrets.randbelow(count)]}" for _ in range(min(BUSY, count))]
    for each in busy:
        await ring.verify(each, None)
    best = float("inf")
    for _ in range(5):
        began = time.thread_time()
        for number in range(calls):
            await ring.verify(busy[number % len(busy)], None)
        best = min(best, (time.thread_time() - began) / calls)
    began = time.process_time()
    for number in range(LOOK_UPS):
        ring.forget("org_default")
        await ring.verify(busy[number % len(busy)], None)
    looked_up = (time.process_time() - began) / LOOK_UPS
    await ring.close()
    await database.close()
    return best * 1e6, looked_up * 1e6


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 1_000, 100_000])
    parser.add_argument("--ratio", type=float, help="the most that many keys may cost, compared with few")
    arguments = parser.parse_args()
    remembered = []
    for count in arguments.counts:
        with tempfile.TemporaryDirectory() as folder:
            hit, miss = asyncio.run(measure(Path(folder), count))
        remembered.append(hit)
        print(f"{count:>8} keys: {hit:6.2f} µs remembered, {miss:7.1f} µs looked up")
    if arguments.ratio and remembered[-1] > arguments.ratio * remembered[0]:
        sys.exit(f"more than {arguments.ratio} times as much")


if __name__ == "__main__":
    main()
