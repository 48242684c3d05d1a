"""Money in integers: nano-dollars outside, femto-dollars where prices are multiplied.

A price of one billionth of a dollar per million tokens is one femto-dollar per token, and none in the data is finer, so
the product of tokens and price is exact; the sum is rounded up once, to the nano-dollar.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

NANO = 10**9  # of a dollar
FEMTO = 10**15
FEMTO_PER_NANO = FEMTO // NANO


def femto_per_unit(dollars: Decimal, per: int) -> int:
    """The price of one unit in femto-dollars, for `dollars` per `per` units.

    Rounded to the nearest one: what is finer in the data is the noise of a float (`1.0399999999999998` for 1.04).
    """
    return round(Fraction(dollars) * FEMTO / per)


def ceil_div(numerator: int, denominator: int) -> int:
    """Division rounded up, exact for integers of any size."""
    return -(-numerator // denominator)


def to_nano(parts: Mapping[str, int]) -> tuple[int, dict[str, int]]:
    """Femto-dollars to nano-dollars: the sum rounded up once, and parts that add up to exactly that.

    The parts are rounded down, and what is missing goes to those that lost most by it.
    """
    total = ceil_div(sum(parts.values()), FEMTO_PER_NANO)
    rounded = {name: femto // FEMTO_PER_NANO for name, femto in parts.items()}
    missing = total - sum(rounded.values())
    for name in sorted(parts, key=lambda name: parts[name] % FEMTO_PER_NANO, reverse=True)[:missing]:
        rounded[name] += 1
    return total, rounded
