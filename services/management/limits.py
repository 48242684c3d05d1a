"""Checks rate limits that somebody wants to keep."""

from services.errors import InvalidRequest
from services.vocabulary.limits import Limits, check


def check_limits(limits: Limits, tiers: frozenset[str] | None) -> None:
    """Raises `InvalidRequest` for a number out of range, or a tier that there is not."""
    known = tiers if tiers is not None else frozenset({limits.tier} if limits.tier else ())
    if (problem := check(limits, known)) is not None:
        raise InvalidRequest(f"These limits cannot be kept: {problem}.", param="limits")
