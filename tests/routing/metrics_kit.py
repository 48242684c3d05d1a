"""A clock set by hand, and observations in short."""

from services.routing.metric import parse
from services.routing.metrics.bucket import Key, Observation, Outcome
from services.routing.metrics.live import LiveMetrics

NOON = 1_800_000_000.0 - 1_800_000_000 % 604_800  # the beginning of a bucket at every level
KEY = Key("gpt", "openai")


class Clock:
    """Seconds since 1970, moved by the test."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def ok(ttft: float | None = 0.5, e2e: float = 2.0, *, input: int = 100, output: int = 30) -> Observation:
    return Observation(Outcome.OK, e2e, ttft, input, output)


def failed(outcome: Outcome = Outcome.UNAVAILABLE, *, ttft: float | None = None) -> Observation:
    return Observation(outcome, 0.01, ttft)


def value(metrics: LiveMetrics, name: str, interval_s: int = 900, *, key: Key = KEY, region: str | None = None):
    """A metric of a key, by its name."""
    metric = parse(name, param="sort")
    return metrics.view().value(key.model, key.provider, metric, interval_s, region=region)


def folded(metrics: LiveMetrics) -> LiveMetrics:
    """The metrics, with all that is closed folded into the history."""
    metrics.close()
    while metrics.fold():
        pass
    return metrics


NAMES = (
    "uptime throughput total_requests input_tokens output_tokens total_tokens"
    " avg_latency p50_latency p99_latency max_e2e_latency p90_e2e_latency avg_tokens_per_second"
).split()


def picture(metrics: LiveMetrics, key: Key = KEY) -> dict[tuple[str, int], float | None]:
    """All kinds of metrics over all kinds of windows."""
    return {
        (name, interval): value(metrics, name, interval, key=key)
        for name in NAMES
        for interval in (900, 6 * 3600, 2 * 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400)
    }
