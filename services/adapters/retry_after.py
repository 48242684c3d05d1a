"""How long a provider asks to wait: `Retry-After` in seconds or as a date, `retry-after-ms` in milliseconds.

RFC 9110 §10.2.3. A date is read against the response's own `Date` header, so no clock is needed.
"""

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_S: Final = 3600  # more than that is a mistake, or a provider that is gone


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Whole seconds, rounded up; None when the provider does not say. Header names are lower case."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return _bounded(milliseconds / 1000)
    given = headers.get("retry-after")
    if given is None:
        return None
    if (seconds := _number(given)) is not None:
        return _bounded(seconds)
    try:
        wait = parsedate_to_datetime(given) - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return _bounded(wait.total_seconds())


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None


def _bounded(seconds: float) -> int:
    return min(LONGEST_S, max(1, math.ceil(seconds)))
