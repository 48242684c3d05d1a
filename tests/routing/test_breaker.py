"""The circuit breaker: tables of single steps, and properties of whole outages."""

from itertools import pairwise
from math import inf
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.dialect import Kind
from services.routing.breaker import (
    BREAKERS_MAX,
    FAILURES_IN_A_ROW,
    PROBE_INTERVAL_MAX_S,
    PROBE_INTERVAL_S,
    PROBE_LEASE_S,
    RETRY_AFTER_JITTER_S,
    WINDOW_ATTEMPTS_MIN,
    WINDOW_S,
    Breaker,
    Breakers,
    Circuit,
    State,
)
from services.routing.told import Told

FAULTS = [kind for kind in Kind if kind is not Kind.CALLER]


def fail(breaker: Breaker, now: float, kind: Kind = Kind.UNAVAILABLE, retry_after: float | None = None) -> None:
    attempt = breaker.allow(now)
    assert attempt is not None
    attempt.failed(kind, retry_after, now)


def succeed(breaker: Breaker, now: float) -> None:
    attempt = breaker.allow(now)
    assert attempt is not None
    attempt.succeeded(now)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(Random(1))
    for _ in range(FAILURES_IN_A_ROW):
        fail(breaker, now)
    assert breaker.state(now) is State.OPEN
    return breaker


def half_open(now: float) -> Breaker:
    breaker = opened(now - PROBE_INTERVAL_S)
    assert breaker.state(now) is State.HALF_OPEN
    return breaker


@pytest.mark.parametrize("kind", FAULTS)
def test_failures_in_a_row_open_it(kind: Kind):
    """One fewer does not, and a success between starts the count anew. It knows what it was opened for."""
    breaker = Breaker(Random(1))
    for _ in range(2):
        for _ in range(FAILURES_IN_A_ROW - 1):
            fail(breaker, 0, kind)
        assert breaker.state(0) is State.CLOSED
        succeed(breaker, 0)
    for _ in range(FAILURES_IN_A_ROW - 1):
        succeed(breaker, 100)  # the failures before are out of the window
    for _ in range(FAILURES_IN_A_ROW):
        fail(breaker, 200, kind)
    assert breaker.state(200) is State.OPEN
    assert breaker.allow(200) is None
    assert breaker.why is kind


def test_a_callers_mistake_counts_for_nothing():
    """However many bad requests come, the provider is not to blame."""
    breaker = Breaker(Random(1))
    for _ in range(100):
        fail(breaker, 0, Kind.CALLER)
    assert breaker.state(0) is State.CLOSED


def test_half_of_the_recent_attempts_failing_opens_it():
    """Also when no failures follow each other."""
    breaker = Breaker(Random(1))
    for number in range(WINDOW_ATTEMPTS_MIN):
        assert breaker.state(0) is State.CLOSED
        fail(breaker, 0) if number % 2 else succeed(breaker, 0)
    assert breaker.state(0) is State.OPEN


def test_failures_further_apart_than_the_window_do_not_add_up():
    """A failure every now and then among successes is no outage."""
    breaker = Breaker(Random(1))
    for number in range(100):
        now = number * WINDOW_S / 4
        fail(breaker, now) if number % 2 else succeed(breaker, now)
    assert breaker.state(now) is State.CLOSED


def test_an_answer_that_breaks_off_again_and_again_opens_it():
    """Beginning well and then breaking is a failure too."""
    breaker = Breaker(Random(1))
    attempts = 0
    while (attempt := breaker.allow(0)) is not None:
        attempt.succeeded(0)
        attempt.failed(Kind.TRUNCATED, None, 0)
        attempts += 1
    assert attempts <= WINDOW_ATTEMPTS_MIN


def test_half_open_lets_one_probe_through_at_a_time():
    """The others wait until it has reported, and then go through."""
    breaker = half_open(10)
    probe = breaker.allow(10)
    assert probe is not None
    assert breaker.allow(10) is None
    probe.succeeded(11)
    assert breaker.state(11) is State.CLOSED
    assert [breaker.allow(11) is not None for _ in range(3)] == [True] * 3


@pytest.mark.parametrize("report", ["abandoned", "caller's mistake"])
def test_a_probe_that_proves_nothing_makes_room_for_the_next(report: str):
    """The caller left, or was wrong: the next attempt is the probe."""
    breaker = half_open(10)
    probe = breaker.allow(10)
    assert probe is not None
    probe.abandoned() if report == "abandoned" else probe.failed(Kind.CALLER, None, 10)
    assert breaker.state(10) is State.HALF_OPEN
    assert breaker.allow(10) is not None
    assert breaker.allow(10) is None


def test_a_lost_probe_blocks_nobody_for_ever():
    """After its lease another one is let through; what the lost one says later is not heard."""
    breaker = half_open(10)
    lost = breaker.allow(10)
    assert lost is not None
    assert breaker.allow(10 + PROBE_LEASE_S - 0.1) is None
    second = breaker.allow(10 + PROBE_LEASE_S)
    assert second is not None
    lost.failed(Kind.TIMEOUT, None, 10 + PROBE_LEASE_S)
    second.succeeded(10 + PROBE_LEASE_S)
    assert breaker.state(10 + PROBE_LEASE_S) is State.CLOSED


def test_reports_of_attempts_from_before_do_not_close_it():
    """A long answer that began before the outage says nothing about now."""
    breaker = Breaker(Random(1))
    early = breaker.allow(0)
    assert early is not None
    for _ in range(FAILURES_IN_A_ROW):
        fail(breaker, 1)
    early.succeeded(2)
    assert breaker.state(2) is State.OPEN


def test_an_attempt_is_counted_once():
    """Reports after the last one change nothing."""
    breaker = Breaker(Random(1))
    attempt = breaker.allow(0)
    assert attempt is not None
    for _ in range(FAILURES_IN_A_ROW + 1):
        attempt.failed(Kind.FAILED, None, 0)
        attempt.abandoned()
        attempt.succeeded(0)
    assert breaker.state(0) is State.CLOSED


@given(
    kind=st.sampled_from(list(Kind)),
    retry_after=st.floats(0.01, 3600),
    before=st.integers(0, FAILURES_IN_A_ROW - 1),
    seed=st.integers(),
    steps=st.lists(st.floats(0, 1), max_size=20),
)
def test_retry_after_is_always_kept(kind: Kind, retry_after: float, before: int, seed: int, steps: list[float]):
    """Whatever failed before, nobody is let through until the provider's time is over, and somebody soon after."""
    breaker = Breaker(Random(seed))
    late = breaker.allow(0)
    assert late is not None
    for _ in range(before):
        fail(breaker, 0)
    fail(breaker, 0, kind, retry_after)
    late.succeeded(0)
    assert all(breaker.allow(share * retry_after * 0.999) is None for share in steps)
    assert 0 < breaker.wait(0) <= max(retry_after + RETRY_AFTER_JITTER_S, PROBE_INTERVAL_S)
    assert breaker.allow(max(retry_after + RETRY_AFTER_JITTER_S, PROBE_INTERVAL_S)) is not None


@given(first=st.floats(1, 60), second=st.floats(1, 60), seed=st.integers())
def test_of_two_waits_the_longer_is_kept(first: float, second: float, seed: int):
    """Attempts that were under way together may each bring a Retry-After."""
    breaker = Breaker(Random(seed))
    attempts = [breaker.allow(0), breaker.allow(0)]
    for attempt, retry_after in zip(attempts, (first, second), strict=True):
        assert attempt is not None
        attempt.failed(Kind.RATE_LIMITED, retry_after, 0)
    assert breaker.wait(0) >= max(first, second)


def test_a_probe_that_works_does_not_cut_short_what_another_attempt_was_told():
    """One that was under way from before was told to wait meanwhile."""
    breaker = Breaker(Random(1))
    late = breaker.allow(0)
    assert late is not None
    for _ in range(FAILURES_IN_A_ROW):
        fail(breaker, 0)
    probe = breaker.allow(2)
    assert probe is not None
    late.failed(Kind.RATE_LIMITED, 30, 2)
    probe.succeeded(3)
    assert breaker.wait(3) >= 29
    succeed(breaker, 33)
    assert breaker.state(33) is State.CLOSED


@given(
    gaps=st.lists(st.floats(0.05, 1), min_size=50, max_size=50),
    hangs=st.floats(0, 5),
    seed=st.integers(),
    dead_from=st.integers(0, 10),
)
def test_a_dead_endpoint_gets_its_probes_and_nothing_else(gaps: list[float], hangs: float, seed: int, dead_from: int):
    """A busy endpoint dies for ten minutes: it is asked until the breaker opens, then once per interval at most."""
    breaker = Breaker(Random(seed))
    now, asked, number = 0.0, 0, 0
    times: list[float] = []
    while now < 600:
        now += gaps[number % len(gaps)]
        number += 1
        if (attempt := breaker.allow(now)) is None:
            continue
        if number <= dead_from:
            attempt.succeeded(now)
            continue
        asked += 1
        times.append(now)
        now += hangs
        attempt.failed(Kind.TIMEOUT, None, now)
    probes = times[FAILURES_IN_A_ROW:]
    waits = [later - earlier for earlier, later in pairwise(probes)]
    interval = PROBE_INTERVAL_S
    for wait in waits:
        interval = min(2 * interval, PROBE_INTERVAL_MAX_S)
        assert wait >= interval / 2
    assert asked <= FAILURES_IN_A_ROW + 5 + 2 * 600 / PROBE_INTERVAL_MAX_S


@given(
    outage=st.floats(1, 600),
    gap=st.floats(0.05, 0.5),
    takes=st.floats(0, 1),
    seed=st.integers(),
    after=st.integers(0, 5),
)
def test_recovery_is_seen_within_one_probe_interval(outage: float, gap: float, takes: float, seed: int, after: int):
    """However long it was dead: once it works again, the breaker is closed one interval later, and stays closed."""
    breaker = Breaker(Random(seed))
    for number in range(after):
        succeed(breaker, number * gap)
    now = start = after * gap
    closed_at = None
    while closed_at is None:
        now += gap
        if (attempt := breaker.allow(now)) is not None:
            begun, now = now, now + takes
            if begun >= start + outage:
                attempt.succeeded(now)
            else:
                attempt.failed(Kind.UNAVAILABLE, None, now)
        if now >= start + outage and breaker.state(now) is State.CLOSED:
            closed_at = now
        assert now < start + outage + PROBE_INTERVAL_MAX_S + 2 * (gap + takes)
    assert all(breaker.allow(closed_at) is not None for _ in range(10))


@given(seeds=st.lists(st.integers(), min_size=20, max_size=20, unique=True))
def test_probes_are_jittered_within_their_interval(seeds: list[int]):
    """Workers that saw the same outage do not probe at the same moment, and none waits longer than the interval."""
    waits = []
    for seed in seeds:
        breaker = Breaker(Random(seed))
        for _ in range(FAILURES_IN_A_ROW):
            fail(breaker, 0)
        waits.append(breaker.wait(0))
    assert len(set(waits)) > 10
    assert all(PROBE_INTERVAL_S / 2 <= wait <= PROBE_INTERVAL_S for wait in waits)


def test_every_offer_and_credential_fails_on_its_own():
    """A caller's own wrong key does not close the provider to others."""
    breakers = Breakers(Random(1))
    ours, theirs = Circuit("openai/gpt", "gateway"), Circuit("openai/gpt", "key_1")
    for _ in range(FAILURES_IN_A_ROW):
        fail(breakers.of(theirs, 0), 0, Kind.CREDENTIAL)
    assert breakers.wait(theirs, 0) > 0
    assert breakers.wait(ours, 0) == 0
    assert breakers.of(theirs, 0) is breakers.of(theirs, 0)


def test_the_soonest_of_many_is_the_shortest_wait():
    """Of none it never is."""
    breakers = Breakers(Random(1))
    circuits = [Circuit(f"provider{number}/m", "") for number in range(3)]
    for circuit, retry_after in zip(circuits, (40, 7, 20), strict=True):
        fail(breakers.of(circuit, 0), 0, Kind.RATE_LIMITED, retry_after)
    assert 7 <= breakers.soonest(circuits, 0) <= 7 + RETRY_AFTER_JITTER_S
    assert breakers.soonest(circuits, 60) == 0
    assert breakers.soonest([], 0) == inf


def test_what_one_process_was_told_is_kept_by_all(tmp_path: Path):
    """By those that begin later, too; other offers and credentials, and plain failures, are nobody else's business."""
    file = tmp_path / "told"
    one, other = (Breakers(Random(1), Told(file)) for _ in range(2))
    here, there, theirs = Circuit("a/m", ""), Circuit("b/m", ""), Circuit("a/m", "key_1")
    fail(one.of(here, 100), 100, Kind.RATE_LIMITED, 60)
    fail(one.of(here, 100), 100 + 62, Kind.RATE_LIMITED, 5)
    for breakers in (other, Breakers(Random(1), Told(file))):
        assert breakers.wait(here, 163) == 4
        assert breakers.allow(here, 163) is None
        assert breakers.soonest([here], 163) == 4
        assert [breakers.wait(each, 163) for each in (there, theirs)] == [0, 0]
        assert breakers.allow(here, 167) is not None
    for _ in range(FAILURES_IN_A_ROW):
        fail(one.of(there, 100), 100)
    assert (one.wait(there, 100) > 0, other.wait(there, 100)) == (True, 0)


def test_the_wait_during_a_probe_is_short():
    """While a probe is under way a 503 asks to come back after an interval, not after the probe's lease."""
    breaker = half_open(10)
    assert breaker.allow(10) is not None
    assert 0 < breaker.wait(10) <= PROBE_INTERVAL_MAX_S


def test_looking_makes_no_breaker_and_idle_ones_are_forgotten():
    """A gateway with many callers' credentials stays small, and an open breaker outlives idle ones."""
    breakers = Breakers(Random(1))
    breakers.wait(Circuit("a", ""), 0)
    assert not breakers._breakers
    open_one = Circuit("open", "")
    fail(breakers.of(open_one, 0), 0, Kind.RATE_LIMITED, 3600)
    for number in range(2 * BREAKERS_MAX):
        breakers.of(Circuit("b", str(number)), number / 10)
    assert len(breakers._breakers) <= BREAKERS_MAX
    assert breakers.wait(open_one, 3000) > 0


def test_one_that_limits_and_says_when_is_asked_then():
    """Its interval does not double."""
    breaker = Breaker(Random(1))
    now = 0.0
    for _ in range(8):
        fail(breaker, now, Kind.RATE_LIMITED, 3)
        wait = breaker.wait(now)
        assert 3 <= wait <= 3 + RETRY_AFTER_JITTER_S
        now += wait
    attempt = breaker.allow(now)
    assert attempt is not None
    attempt.succeeded(now)
    assert breaker.state(now) is State.CLOSED
