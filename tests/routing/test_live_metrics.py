"""What is measured, and what a window of it says."""

import random
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.metrics.bucket import Key, Observation, Outcome
from services.routing.metrics.levels import BUCKETS_MAX, DAY, HOUR, LEVELS, MINUTE, window
from services.routing.metrics.live import FRESH_S, KEYS_MAX, OUTBOX_MAX, WINDOWS_MAX, LiveMetrics
from services.routing.metrics.series import CLOSED_MAX
from tests.routing.metrics_kit import KEY, NOON, Clock, failed, folded, ok, picture, value

YEAR = 365 * DAY


def test_what_was_never_measured_is_none():
    """Nothing known: routing then takes the cheapest."""
    metrics = LiveMetrics(clock=Clock())
    assert set(picture(metrics).values()) == {None}
    metrics.record(KEY, ok())
    assert value(metrics, "p50_latency", key=Key("gpt", "azure")) is None
    assert value(metrics, "p50_latency", region="eu") is None


def test_each_metric_says_what_its_name_says():
    """Two answers and a failure, by hand."""
    clock = Clock(NOON + 900)
    metrics = LiveMetrics(clock=clock)
    metrics.record(KEY, ok(0.2, 1.2, input=100, output=11))
    metrics.record(KEY, ok(0.4, 2.4, input=300, output=41))
    metrics.record(KEY, failed())
    assert {name: value(metrics, name) for name in ("avg_latency", "min_latency", "max_latency")} == {
        "avg_latency": pytest.approx(0.3),
        "min_latency": 0.2,
        "max_latency": 0.4,
    }
    assert value(metrics, "p0_latency") == 0.2
    assert value(metrics, "p100_e2e_latency") == 2.4
    assert value(metrics, "avg_e2e_latency") == pytest.approx(1.8)
    assert value(metrics, "avg_tokens_per_second") == pytest.approx((10 / 1 + 40 / 2) / 2)
    assert value(metrics, "uptime") == pytest.approx(2 / 3)
    assert value(metrics, "total_requests") == 3
    assert value(metrics, "throughput") == pytest.approx(3 / 900)
    assert value(metrics, "input_tokens") == 200
    assert value(metrics, "output_tokens") == 26
    assert value(metrics, "total_tokens") == 226


@pytest.mark.parametrize("outcome", Outcome)
def test_only_the_providers_own_failures_lower_its_uptime(outcome: Outcome):
    """A caller who leaves or is wrong says nothing about the provider; all others count, each as a request."""
    metrics = LiveMetrics(clock=Clock())
    metrics.record(KEY, failed(outcome))
    neutral = outcome in {Outcome.CANCELLED, Outcome.CALLER}
    assert value(metrics, "uptime") == (None if neutral else 1.0 if outcome is Outcome.OK else 0.0)
    assert value(metrics, "total_requests") == 1


def test_a_provider_that_fails_at_once_is_not_a_fast_one():
    """Durations are those of answers; a first token that came counts, whatever came after it."""
    metrics = LiveMetrics(clock=Clock())
    metrics.record(KEY, failed())
    assert [value(metrics, name) for name in ("p50_e2e_latency", "p50_latency", "output_tokens")] == [None] * 3
    metrics.record(Key("gpt", "azure"), failed(Outcome.TRUNCATED, ttft=0.3))
    assert value(metrics, "p50_latency", key=Key("gpt", "azure")) == 0.3


@pytest.mark.parametrize(
    "seen", [ok(None, 3.0), ok(1.0, 1.05, output=500), ok(1.0, 2.0, output=1)], ids=["whole", "one piece", "one token"]
)
def test_a_speed_is_only_known_from_a_stream(seen: Observation):
    """An answer that comes at once has no tokens per second."""
    metrics = LiveMetrics(clock=Clock())
    metrics.record(KEY, seen)
    assert value(metrics, "avg_tokens_per_second") is None
    assert value(metrics, "avg_e2e_latency") == seen.e2e_s


def test_outcomes_have_the_values_of_the_adapters_kinds():
    """Every kind of an upstream error is an outcome, so that none can be recorded under a wrong name."""
    from services.adapters.dialect import Kind

    assert {kind.value for kind in Kind} | {"ok", "cancelled"} == {outcome.value for outcome in Outcome}


def test_regions_are_apart_and_together():
    """A region alone when it is named, all of them otherwise."""
    metrics = LiveMetrics(clock=Clock())
    metrics.record(Key("gpt", "azure", "eu"), ok(1.0))
    metrics.record(Key("gpt", "azure", "us"), ok(3.0))
    key = Key("gpt", "azure")
    assert value(metrics, "max_latency", key=key, region="eu") == 1.0
    assert value(metrics, "max_latency", key=key, region="us") == 3.0
    assert value(metrics, "avg_latency", key=key) == pytest.approx(2.0)
    assert value(metrics, "total_requests", key=key) == 2


def test_percentiles_of_a_day_are_those_of_all_values():
    """The merged window is within the sketch's error of the true percentiles."""
    clock, rng = Clock(), random.Random(7)
    metrics = LiveMetrics(clock=clock)
    values = []
    for _ in range(5000):
        clock.now += 10
        values.append(rng.lognormvariate(-0.7, 0.8))
        metrics.record(KEY, ok(values[-1], values[-1] + 1))
    folded(metrics)
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    for percentile in (5, 50, 95, 99):
        assert value(metrics, f"p{percentile}_latency", DAY) == pytest.approx(cuts[percentile - 1], rel=0.03)
    assert value(metrics, "avg_latency", DAY) == pytest.approx(statistics.fmean(values))


def test_a_value_is_cached_for_moments_and_then_fresh():
    """A read within `FRESH_S` may miss the newest records; one after it does not."""
    clock = Clock()
    metrics = LiveMetrics(clock=clock)
    metrics.record(KEY, ok())
    assert value(metrics, "total_requests") == 1
    metrics.record(KEY, ok())
    assert value(metrics, "total_requests") == 1
    clock.now += FRESH_S
    assert value(metrics, "total_requests") == 2


@pytest.mark.parametrize("closed", [False, True], ids=["not folded yet", "folded"])
def test_a_window_ends_where_it_should(closed: bool):
    """What is older than the interval is out, at the latest a tenth of the interval later."""
    clock = Clock()
    metrics = LiveMetrics(clock=clock)
    metrics.record(KEY, ok())
    for interval in (900, HOUR, 5 * HOUR, DAY, 5 * DAY, 20 * DAY, 300 * DAY):
        clock.now = NOON + interval - 1
        if closed:
            folded(metrics)
        assert value(metrics, "total_requests", interval) == 1, interval
        clock.now = NOON + interval * 1.1 + 60
        assert value(metrics, "total_requests", interval) is None, interval


@given(interval=st.integers(900, 2 * YEAR), now=st.floats(NOON, NOON + YEAR))
def test_a_window_is_at_most_a_tenth_longer_than_asked(interval: int, now: float):
    """Never shorter, except that nothing is kept longer than a year."""
    level, start = window(interval, now)
    seconds = now - start
    kept = min(interval, 366 * DAY)
    assert kept <= seconds <= kept * 1.1 + 1
    assert start % LEVELS[level].span_s == 0


def test_levels_nest_and_are_few():
    """Every bucket of a level lies within one of the next; a key has a bounded number of them."""
    for finer, coarser in pairwise(LEVELS):
        assert coarser.span_s % finer.span_s == 0
        assert coarser.span_s * 10 <= finer.reach_s < coarser.reach_s
    assert LEVELS[0].span_s == MINUTE
    assert BUCKETS_MAX == 394


def test_a_year_of_traffic_stays_bounded():
    """After more than a year of records in every minute of some hours a day, no level is longer than its reach."""
    clock = Clock()
    metrics = LiveMetrics(clock=clock)
    for _ in range(400):
        for _ in range(130):
            clock.now += MINUTE
            metrics.record(KEY, ok(clock.now % 7 + 0.1))
        clock.now += DAY - 130 * MINUTE
        folded(metrics)
        metrics.take(10_000)
    metrics.prune()
    series = metrics._series[KEY]
    assert sum(map(len, series._levels)) <= BUCKETS_MAX
    assert value(metrics, "total_requests", YEAR) == pytest.approx(365 * 130, rel=0.03)
    clock.now += 400 * DAY
    metrics.prune()
    assert not metrics._series
    assert not metrics._offers


def test_without_anyone_to_fold_minutes_they_are_folded_all_the_same():
    """A process whose sharing is stuck keeps few closed minutes, a bounded outbox, and right values."""
    clock = Clock()
    metrics = LiveMetrics(clock=clock)
    for _ in range(60):
        clock.now += MINUTE
        metrics.record(KEY, ok())
    assert len(metrics._series[KEY]._closed) <= CLOSED_MAX + 1
    assert value(metrics, "total_requests", HOUR) == 60
    assert metrics._outbox.maxlen == OUTBOX_MAX


def test_the_outbox_gives_each_row_once_and_the_oldest_first():
    """As many as are asked for."""
    clock = Clock()
    metrics = LiveMetrics(clock=clock)
    for _ in range(3):
        metrics.record(KEY, ok())
        clock.now += MINUTE
        folded(metrics)
    taken = [metrics.take(2), metrics.take(2), metrics.take(2)]
    assert [[row.start for row in rows] for rows in taken] == [[NOON, NOON + MINUTE], [NOON + 2 * MINUTE], []]


def test_a_clock_that_is_set_back_loses_nothing():
    """Minutes that come twice are merged."""
    clock = Clock()
    metrics = LiveMetrics(clock=clock)
    for now in (NOON, NOON + MINUTE, NOON, NOON + MINUTE):
        clock.now = now
        metrics.record(KEY, ok())
    clock.now = NOON + 2 * MINUTE
    assert value(folded(metrics), "total_requests") == 4


def test_many_keys_and_many_windows_are_forgotten_from_the_least_recent():
    """Callers may name any model of a provider and any interval; memory is bounded all the same."""
    clock = Clock()
    metrics = LiveMetrics(clock=clock)
    metrics.record(KEY, ok())
    for number in range(KEYS_MAX + 10):
        if number % 100 == 0:
            clock.now += MINUTE
            metrics.record(KEY, ok())
        metrics.record(Key(f"m{number}", "openai"), ok())
    assert len(metrics._series) == KEYS_MAX == sum(map(len, metrics._offers.values()))
    assert value(metrics, "uptime") == 1.0
    for interval in range(900, 900 + 2 * WINDOWS_MAX):
        value(metrics, "uptime", interval)
    assert len(metrics._windows) <= WINDOWS_MAX
    folded(metrics)


ATTEMPTS = st.lists(
    st.tuples(
        st.integers(0, 3 * HOUR),
        st.builds(
            Observation,
            st.sampled_from(Outcome),
            st.floats(0.1, 100),
            st.none() | st.floats(0.01, 10),
            st.integers(0, 10**6),
            st.integers(0, 10**5),
        ),
        st.integers(0, 2),
    ),
    max_size=40,
)


@given(attempts=ATTEMPTS, shuffle=st.randoms())
def test_workers_that_share_rows_know_what_one_would_know_alone(attempts, shuffle):
    """However attempts are spread over workers, and in whatever order rows arrive: the same values, exactly."""
    attempts.sort(key=lambda attempt: attempt[0])
    clock = Clock()
    alone, workers = LiveMetrics(clock=clock), [LiveMetrics(clock=clock) for _ in range(3)]
    for offset, seen, worker in attempts:
        clock.now = NOON + offset
        alone.record(KEY, seen)
        workers[worker].record(KEY, seen)
    clock.now = NOON + 4 * HOUR
    rows = [row for worker in workers for row in folded(worker).take(10_000)]
    shuffle.shuffle(rows)
    reader = LiveMetrics(clock=clock)
    for row in rows:
        reader.merge(row)
    assert picture(reader) == picture(folded(alone))
