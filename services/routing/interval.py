"""The window of live metrics, as a request writes it: `15 minutes`, `15m`, `1h`, `7 d`, `4w`, `1y`."""

import re
from typing import Final

from services.errors import InvalidRequest

DEFAULT_S: Final = 15 * 60
"""The window of a request that names none."""

SHORTEST_S: Final = 15 * 60

_UNITS_S: Final = {"minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "year": 365 * 86400}
_SECONDS: Final = {
    **_UNITS_S,
    **{f"{unit}s": seconds for unit, seconds in _UNITS_S.items()},
    **{unit[0]: seconds for unit, seconds in _UNITS_S.items()},
}
_FORM: Final = re.compile(r"([0-9]{1,6}) ?([a-z]+)")
_SHOWN_MAX: Final = 40


def parse(text: str, *, param: str) -> int:
    """Seconds of an interval. Raises `InvalidRequest` for `param` when it is none, or shorter than 15 minutes.

    A week is 7 days, a year 365. What is longer than the kept year is a valid window too; it sees what is kept.
    """
    form = _FORM.fullmatch(text.strip())
    seconds = int(form[1]) * _SECONDS.get(form[2], 0) if form else 0
    if seconds >= SHORTEST_S:
        return seconds
    problem = "is shorter than 15 minutes" if form and form[2] in _SECONDS else "is not an interval"
    raise InvalidRequest(
        f"{text[:_SHOWN_MAX]!r} {problem}. Write a whole number and a unit: minutes (m), hours (h), days (d), weeks (w) or "
        "years (y), at least 15 minutes; for example `15 minutes`, `15m`, `1h`, `24h`, `7d`, `4w`, `1y`.",
        param=param,
    )
