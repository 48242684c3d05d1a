"""What follows from a Gemini model's name, for models that no row of the catalogue describes."""

import re
from typing import Final

_VERSION: Final = re.compile(r"gemini-(\d+)(?:\.(\d+))?(?!\d)")
_LATEST: Final = (99, 0)
_NOT_GEMINI: Final = (0, 0)


def version(model: str) -> tuple[int, int]:
    """(major, minor). Names without a number (`gemini-flash-latest`) are the newest; other families count as (0, 0)."""
    if found := _VERSION.search(model):
        return int(found[1]), int(found[2] or 0)
    return _LATEST if "gemini" in model else _NOT_GEMINI


def thinks_by_level(model: str) -> bool:
    """Gemini 3 and later are told a level."""
    return version(model) >= (3, 0)


def thinks_by_budget(model: str) -> bool:
    """Gemini 2.5 is told a number of tokens; earlier models do not think."""
    return (2, 5) <= version(model) < (3, 0)


def demands_signatures(model: str) -> bool:
    """Gemini 3 refuses the first function call of a step without its thought signature."""
    return version(model) >= (3, 0)


def combines_tools_and_json(model: str) -> bool:
    """Before Gemini 3, tools and a JSON response type exclude each other (400)."""
    return version(model) >= (3, 0)


def takes_media_in_results(model: str) -> bool:
    """From Gemini 3 on a function response may hold images and documents itself."""
    return version(model) >= (3, 0)


def searches_are_charged_each(model: str) -> bool:
    """Gemini 3 is charged per search query, earlier models once per grounded answer.

    https://ai.google.dev/gemini-api/docs/pricing
    """
    return version(model) >= (3, 0)
