"""Rounding."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.billing.money import FEMTO_PER_NANO, ceil_div, femto_per_unit, to_nano

PARTS = st.dictionaries(st.text(max_size=3), st.integers(0, 10**20), max_size=8)


@given(PARTS)
def test_a_total_is_the_exact_sum_rounded_up_once(parts: dict[str, int]):
    """Never below the exact cost, and less than a nano-dollar above it."""
    total, _ = to_nano(parts)
    assert 0 <= total * FEMTO_PER_NANO - sum(parts.values()) < FEMTO_PER_NANO


@given(PARTS)
def test_parts_add_up_to_the_total(parts: dict[str, int]):
    """The parts add up exactly, and none is more than a nano-dollar off."""
    total, rounded = to_nano(parts)
    assert sum(rounded.values()) == total
    assert rounded.keys() == parts.keys()
    assert all(abs(rounded[name] * FEMTO_PER_NANO - parts[name]) <= FEMTO_PER_NANO for name in parts)


@given(st.integers(0, 10**30), st.integers(1, 10**9))
def test_division_rounds_up(numerator: int, denominator: int):
    """The result is the smallest integer that is not too small."""
    quotient = ceil_div(numerator, denominator)
    assert (quotient - 1) * denominator < numerator <= quotient * denominator


def test_prices_are_exact_and_float_noise_is_not_a_price():
    """$0.00875 per million is 8.75 nano-dollars per token; 1.0399999999999998 is 1.04."""
    assert femto_per_unit(Decimal("0.00875"), 1_000_000) == 8_750_000
    assert femto_per_unit(Decimal("1.0399999999999998"), 1_000_000) == femto_per_unit(Decimal("1.04"), 1_000_000)
    assert femto_per_unit(Decimal(10), 1_000) == 10**13
