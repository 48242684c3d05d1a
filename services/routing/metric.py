"""The metrics a route may be sorted by, as a request names them: `cost`, `p95_latency`, `max_e2e_latency`, `uptime`."""

import re
from typing import Final, Literal

import msgspec

from services.errors import InvalidRequest

Family = Literal[
    "cost",
    "performance",
    "latency",
    "e2e_latency",
    "tokens_per_second",
    "uptime",
    "throughput",
    "total_requests",
    "input_tokens",
    "output_tokens",
    "total_tokens",
]
Best = Literal["min", "max"]


class Metric(msgspec.Struct, frozen=True):
    """A metric by its public name.

    family: what is measured. latency: seconds to the first token; e2e_latency: seconds to the end; tokens_per_second: output
    tokens per second after the first; uptime: share of attempts that worked, 0 to 1; throughput: requests per second;
    *_tokens: average per answered request. cost and performance are facts of the catalogue, all others are live.
    statistic: of a distribution, which number: its average, its ends, or the quantile between 0 and 1. None elsewhere.
    best: whether the smallest or the largest value wins.
    """

    name: str
    family: Family
    best: Best
    statistic: Literal["avg", "min", "max"] | float | None = None

    @property
    def live(self) -> bool:
        """Whether it is measured, so that it may be unknown."""
        return self.family not in {"cost", "performance"}


_PLAIN: Final = {
    metric.name: metric
    for metric in (
        Metric("cost", "cost", "min"),
        Metric("performance", "performance", "max"),
        Metric("uptime", "uptime", "max"),
        Metric("throughput", "throughput", "max"),
        Metric("total_requests", "total_requests", "max"),
        Metric("input_tokens", "input_tokens", "max"),
        Metric("output_tokens", "output_tokens", "max"),
        Metric("total_tokens", "total_tokens", "max"),
    )
}
_DISTRIBUTIONS: Final[dict[str, tuple[Family, Best]]] = {
    "latency": ("latency", "min"),
    "e2e_latency": ("e2e_latency", "min"),
    "tokens_per_second": ("tokens_per_second", "max"),
}
_FORM: Final = re.compile(
    r"(?:(avg|min|max)|p(100|[0-9]{1,2}(?:\.[0-9]{1,3})?))_(latency|e2e_latency|tokens_per_second)"
)
_SHOWN_MAX: Final = 40


def parse(name: str, *, param: str, strategy: Best | None = None) -> Metric:
    """The metric of a name. Raises `InvalidRequest` for `param`, listing the right names.

    strategy: which end wins, where the request says so itself (the oldest form of `routing` does).
    """
    metric = _PLAIN.get(name) or _of_distribution(name)
    if metric is None:
        raise InvalidRequest(
            f"{name[:_SHOWN_MAX]!r} is not a metric. Use one of {', '.join(_PLAIN)}; or a statistic of "
            f"{', '.join(_DISTRIBUTIONS)} with `avg_`, `min_`, `max_` or a percentile from `p0_` to `p100_` before it: "
            "`avg_latency`, `p50_latency`, `p99.9_e2e_latency`.",
            param=param,
        )
    if strategy is None or strategy == metric.best:
        return metric
    return msgspec.structs.replace(metric, best=strategy)


def _of_distribution(name: str) -> Metric | None:
    form = _FORM.fullmatch(name)
    if form is None:
        return None
    family, best = _DISTRIBUTIONS[form[3]]
    match form[1]:
        case "avg" | "min" | "max" as statistic:
            return Metric(name, family, best, statistic)
        case _:
            return Metric(name, family, best, float(form[2]) / 100)
