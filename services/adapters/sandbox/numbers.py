"""Which numbers a JSON schema allows."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from services.adapters.sandbox.subschema import Object, limit

_NEAR: Final = 1000  # how many other numbers are tried when items must differ


class Numbers:
    """The numbers of one `integer` or `number` schema."""

    def __init__(self, schema: Object, *, whole: bool) -> None:
        low, high = limit(schema, "minimum"), limit(schema, "maximum")
        above, below = limit(schema, "exclusiveMinimum"), limit(schema, "exclusiveMaximum")
        if schema.get("exclusiveMinimum") is True:  # draft 4
            above = low
        if schema.get("exclusiveMaximum") is True:
            below = high
        self._low = max(-math.inf if low is None else low, -math.inf if above is None else above)
        self._high = min(math.inf if high is None else high, math.inf if below is None else below)
        self._above, self._below = above, below
        step = abs(limit(schema, "multipleOf") or 0)
        self._whole = whole
        self._step = Fraction(step).limit_denominator(10**6).numerator if whole else step

    def fits(self, number: float) -> bool:
        """Whether the number is allowed."""
        return (
            math.isfinite(number)
            and self._low <= number <= self._high
            and number not in (self._above, self._below)
            and not (self._whole and number != math.floor(number))
            and (not self._step or math.isclose(number / self._step, round(number / self._step), abs_tol=1e-9))
        )

    def smallest(self) -> int | float | None:
        """The allowed number nearest to zero, as far as it is easily found."""
        return next((tidy(number) for number in self._candidates() if self.fits(number)), None)

    def others(self, number: float) -> Iterator[int | float]:
        """Allowed numbers near this one."""
        step = self._step or 1
        for count in range(1, _NEAR):
            for other in (number + count * step, number - count * step):
                if self.fits(other):
                    yield tidy(other)

    def _candidates(self) -> Iterator[float]:
        yield 0.0
        step = self._step or 1
        if math.isfinite(self._low):
            first = step * math.ceil(self._low / step)
            yield from (self._low, first, first + step)
        if math.isfinite(self._high):
            last = step * math.floor(self._high / step)
            yield from (self._high, last, last - step)
        if math.isfinite(self._low) and math.isfinite(self._high):
            yield (self._low + self._high) / 2


def tidy(number: float) -> int | float:
    """Whole numbers without a fraction, as JSON writes them."""
    return int(number) if float(number).is_integer() else number
