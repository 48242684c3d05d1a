"""What a stretch of time says about one offer, metric by metric."""

from collections.abc import Iterable

import msgspec

from services.routing.metric import Metric
from services.routing.metrics.bucket import NEUTRAL, Outcome, Stored, add_counts, sketches
from services.routing.metrics.sketch import Quantiles, Sketch


class Window:
    """Buckets of `seconds`, made ready to be asked. Distributions are merged when they are first asked for."""

    def __init__(self, parts: Iterable[Stored], seconds: float) -> None:
        self._parts = list(parts)
        self._seconds = seconds
        counts: dict[Outcome, int] = {}
        for part in self._parts:
            add_counts(counts, part.outcomes)
        self._requests = sum(counts.values())
        self._answered = counts.get(Outcome.OK, 0)
        self._judged = sum(count for outcome, count in counts.items() if outcome not in NEUTRAL)
        self._distributions: dict[str, Quantiles] = {}

    def value(self, metric: Metric) -> float | None:
        """The value of a live metric; None when nothing is known. `cost` and `performance` are not asked here."""
        match metric.family:
            case "latency" | "e2e_latency" | "tokens_per_second":
                return _statistic(self._distribution(metric.family), metric.statistic)
            case "uptime":
                return self._answered / self._judged if self._judged else None
            case "throughput":
                return self._requests / self._seconds if self._requests else None
            case "total_requests":
                return float(self._requests) if self._requests else None
            case "input_tokens":
                return self._per_answer(sum(part.input_tokens for part in self._parts))
            case "output_tokens":
                return self._per_answer(sum(part.output_tokens for part in self._parts))
            case "total_tokens":
                return self._per_answer(sum(part.input_tokens + part.output_tokens for part in self._parts))
            case "cost" | "performance":
                raise AssertionError(f"{metric.name} is a fact of the catalogue")

    def _per_answer(self, tokens: int) -> float | None:
        return tokens / self._answered if self._answered else None

    def _distribution(self, family: str) -> Quantiles:
        ready = self._distributions.get(family)
        if ready is None:
            whole = Sketch()
            for sketch in sketches(_raw(part, family) for part in self._parts):
                whole.merge(sketch)
            ready = self._distributions[family] = Quantiles(whole)
        return ready


def _raw(part: Stored, family: str) -> msgspec.Raw:
    match family:
        case "latency":
            return part.ttft
        case "e2e_latency":
            return part.e2e
        case _:
            return part.speed


def _statistic(values: Quantiles, statistic: str | float | None) -> float | None:
    match statistic:
        case "avg":
            return values.average
        case "min":
            return values.low
        case "max":
            return values.high
        case float():
            return values.at(statistic)
        case _:
            raise AssertionError("a distribution is asked for a statistic")
