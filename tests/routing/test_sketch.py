"""The quantile sketch: its error, and that merging loses nothing."""

import math
from functools import reduce

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.metrics.sketch import BINS_MAX, LARGEST, RELATIVE_ERROR, SMALLEST, Quantiles, Sketch

VALUES = st.floats(SMALLEST, LARGEST)
LISTS = st.lists(VALUES, max_size=60)


def sketch(values: list[float]) -> Sketch:
    made = Sketch()
    for value in values:
        made.add(value)
    return made


def union(*sketches: Sketch) -> Sketch:
    whole = Sketch()
    for each in sketches:
        whole.merge(each)
    return whole


@given(values=st.lists(VALUES, min_size=1), quantile=st.floats(0, 1))
def test_a_quantile_is_within_the_relative_error(values: list[float], quantile: float):
    """Whatever the values, the estimate differs from the exact quantile by at most the stated share of it."""
    exact = sorted(values)[int(quantile * (len(values) - 1))]
    estimate = Quantiles(sketch(values)).at(quantile)
    assert estimate == pytest.approx(exact, rel=RELATIVE_ERROR * (1 + 1e-9))


@given(values=st.lists(VALUES, min_size=1))
def test_ends_and_average_are_exact(values: list[float]):
    """Lowest, highest, p0, p100; the average to a millionth."""
    asked = Quantiles(sketch(values))
    assert (asked.low, asked.high) == (min(values), max(values)) == (asked.at(0), asked.at(1))
    assert asked.average == pytest.approx(math.fsum(values) / len(values), rel=1e-9, abs=1e-6)


@given(values=st.lists(VALUES, min_size=1), quantiles=st.lists(st.floats(0, 1), min_size=2))
def test_a_higher_quantile_is_never_lower(values: list[float], quantiles: list[float]):
    """Percentiles do not cross."""
    asked = Quantiles(sketch(values))
    estimates = [asked.at(quantile) or 0.0 for quantile in sorted(quantiles)]
    assert estimates == sorted(estimates)


@given(a=LISTS, b=LISTS, c=LISTS)
def test_merging_is_exact_whatever_the_order_and_grouping(a: list[float], b: list[float], c: list[float]):
    """Merged is what one sketch of all would be, to the last bit: commutative, associative, with an identity."""
    whole = sketch(a + b + c)
    one, two, three = sketch(a), sketch(b), sketch(c)
    assert union(one, two, three) == whole
    assert union(three, one, two) == whole
    assert union(one, union(two, three)) == union(union(one, two), three) == whole
    assert union(Sketch(), one) == union(one, Sketch()) == one


@given(lists=st.lists(LISTS, max_size=5))
def test_merging_changes_only_the_one_that_is_merged_into(lists: list[list[float]]):
    """The parts stay as they were."""
    parts = [sketch(values) for values in lists]
    before = [msgspec.msgpack.encode(part) for part in parts]
    reduce(lambda whole, part: whole.merge(part) or whole, parts, Sketch())
    assert [msgspec.msgpack.encode(part) for part in parts] == before


@given(values=LISTS)
def test_a_sketch_survives_its_encoding(values: list[float]):
    """Decoded is equal, an empty one too."""
    made = sketch(values)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=Sketch) == made


def test_extreme_values_are_clamped_so_that_the_number_of_bins_is_bounded():
    """Zero, negative and huge values count as the nearest end."""
    made = sketch([-1.0, 0.0, 1e-9, 1e12, math.inf])
    assert (made.low, made.high, made.count) == (SMALLEST, LARGEST, 5)
    assert all(0 <= bin < BINS_MAX for bin in made.bins)


def test_without_values_nothing_is_known():
    """None, not zero."""
    asked = Quantiles(Sketch())
    assert [asked.at(0.5), asked.average, asked.low, asked.high] == [None] * 4
