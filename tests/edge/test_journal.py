"""A request that was begun is known to all workers that come after, and to no other request."""

import uuid
from pathlib import Path

from services.runtime.journal import Journal


def request(id: uuid.UUID, attempt: int = 1) -> list[tuple[str, str]]:
    return [("user-agent", "x"), ("x-edge-id", str(id)), ("x-envoy-attempt-count", str(attempt))]


def test_the_first_attempt_may_begin_and_the_next_may_not(tmp_path: Path):
    """On the same worker, on another one, and on one that comes after on the same socket."""
    first, other = Journal(tmp_path / "worker-0.sock"), Journal(tmp_path / "worker-1.sock")
    id = uuid.uuid4()
    assert first.begin(request(id))
    for journal in (first, other, Journal(tmp_path / "worker-0.sock")):
        assert not journal.begin(request(id, 2))


def test_an_attempt_that_never_reached_a_worker_counts_for_nothing(tmp_path: Path):
    """Only what was begun is noted, and once it is, no more."""
    journal = Journal(tmp_path / "worker-0.sock")
    id = uuid.uuid4()
    assert journal.begin(request(id, 7))
    assert not journal.begin(request(id, 8))


def test_requests_without_an_id_of_the_edge_may_always_begin(tmp_path: Path):
    """A service apart has no edge before it."""
    journal = Journal(tmp_path / "worker-0.sock")
    assert all(journal.begin([("user-agent", "x"), ("x-envoy-attempt-count", "2")]) for _ in range(2))


def test_old_notes_make_room_for_new_ones(tmp_path: Path):
    """The file does not grow; what is forgotten is long beyond repeating."""
    journal = Journal(tmp_path / "worker-0.sock")
    size = (tmp_path / "worker-0.journal").stat().st_size
    ids = [uuid.uuid4() for _ in range(20_000)]
    assert all(journal.begin(request(id)) for id in ids)
    assert (tmp_path / "worker-0.journal").stat().st_size == size
    assert not journal.begin(request(ids[-1], 2))
    assert journal.begin(request(ids[0], 2))
