"""Providers die, hang, limit and slow down under fifty clients; `python -m tests.shared.chaos` does so for a minute."""

from pathlib import Path

from tests.shared.chaos import chaos


async def test_no_client_hears_of_a_provider_in_trouble(replay: str, tmp_path: Path):
    """Every request is answered, the dead one gets its probes, Retry-After is kept, and who recovers is asked again."""
    outcome = await chaos(tmp_path, replay, seconds=6, clients=50)
    assert not outcome.errors, outcome.report()
    assert not outcome.wrong, outcome.report()
    assert outcome.failed_over > 5, outcome.report()
    assert len(outcome.served) > 3, outcome.report()
