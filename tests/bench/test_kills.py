"""Workers that are killed under streams leave books that are right."""

from pathlib import Path

from bench.kills import run
from bench.kills_upstreams import OwnProvider


async def test_answers_seen_to_their_end_are_in_the_ledger_whatever_is_killed(tmp_path: Path):
    """A short run of `python -m bench.kills`, which kills three hundred times."""
    assert await run(tmp_path, kills=3, workers=2, streams=8, upstream=OwnProvider()) == []
