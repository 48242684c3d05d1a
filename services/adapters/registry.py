"""The dialects by name, as provider rows name them."""

from typing import Final

from services.adapters.dialect import Dialect

DIALECTS: Final[dict[str, Dialect]] = {}


def dialect(name: str) -> Dialect:
    """The dialect a row names. Raises `KeyError` for a name that no dialect has; the catalogue checks rows at load."""
    return DIALECTS[name]
