"""A request costs the same with few keys and with many: the short run (`python -m bench.keys` is the full one)."""

from pathlib import Path

from bench.keys import measure


async def test_verifying_costs_the_same_with_many_keys(tmp_path: Path):
    """A hash and a look into a dictionary; looking up is an index."""
    few, many = [await measure(tmp_path / str(count), count, calls=3000) for count in (10, 3000)]
    assert many[0] < 2.5 * few[0]
    assert many[1] < 4 * few[1]
