"""The names of metrics."""

import pytest

from services.errors import InvalidRequest
from services.routing.metric import parse

PARAM = "routing.provider.sort"


@pytest.mark.parametrize(
    ("name", "family", "statistic", "best"),
    [
        ("cost", "cost", None, "min"),
        ("performance", "performance", None, "max"),
        ("uptime", "uptime", None, "max"),
        ("throughput", "throughput", None, "max"),
        ("total_requests", "total_requests", None, "max"),
        ("input_tokens", "input_tokens", None, "max"),
        ("output_tokens", "output_tokens", None, "max"),
        ("total_tokens", "total_tokens", None, "max"),
        ("avg_latency", "latency", "avg", "min"),
        ("min_latency", "latency", "min", "min"),
        ("max_latency", "latency", "max", "min"),
        ("avg_e2e_latency", "e2e_latency", "avg", "min"),
        ("max_e2e_latency", "e2e_latency", "max", "min"),
        ("p0_latency", "latency", 0.0, "min"),
        ("p50_latency", "latency", 0.5, "min"),
        ("p100_latency", "latency", 1.0, "min"),
        ("p99.9_latency", "latency", 0.999, "min"),
        ("p75_e2e_latency", "e2e_latency", 0.75, "min"),
        ("p50_tokens_per_second", "tokens_per_second", 0.5, "max"),
        ("avg_tokens_per_second", "tokens_per_second", "avg", "max"),
    ],
)
def test_a_name_says_what_which_and_which_end_is_best(name: str, family: str, statistic: object, best: str):
    """Family, statistic and direction of every kind of name."""
    metric = parse(name, param=PARAM)
    assert (metric.name, metric.family, metric.best) == (name, family, best)
    assert metric.statistic == (pytest.approx(statistic) if isinstance(statistic, float) else statistic)
    assert metric.live == (name not in {"cost", "performance"})


@pytest.mark.parametrize("percentile", range(101))
@pytest.mark.parametrize("family", ["latency", "e2e_latency"])
def test_every_percentile_is_a_metric(percentile: int, family: str):
    """p0 to p100 of both latencies."""
    assert parse(f"p{percentile}_{family}", param=PARAM).statistic == pytest.approx(percentile / 100)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "latency",
        "e2e_latency",
        "p101_latency",
        "p100.1_latency",
        "p999_latency",
        "p-1_latency",
        "p_latency",
        "p50.1234_latency",
        "p50",
        "median_latency",
        "avg_cost",
        "p50_uptime",
        "P50_latency",
        "tokens_per_second",
        "speed",
        "p50_latency ",
        "x" * 10_000,
    ],
)
def test_another_name_is_refused_with_the_right_ones(name: str):
    """The message lists all metrics, and is short whatever was sent; `latency` alone is none."""
    with pytest.raises(InvalidRequest, match=r"is not a metric.*cost, performance, uptime.*`p0_` to `p100_`") as error:
        parse(name, param=PARAM)
    assert error.value.param == PARAM
    assert len(error.value.message) < 500


def test_a_strategy_chooses_the_end():
    """The oldest form of `routing` says which end wins."""
    assert parse("cost", param=PARAM, strategy="max").best == "max"
    assert parse("cost", param=PARAM, strategy="min") == parse("cost", param=PARAM)
    assert parse("p95_latency", param=PARAM, strategy="max").best == "max"
    assert parse("uptime", param=PARAM, strategy="min").best == "min"
