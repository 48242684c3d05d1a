"""The dialects by name, as provider rows name them."""

from typing import Final

from services.adapters.dialect import Dialect
from services.adapters.dialects.openai_responses import OpenAIResponses

DIALECTS: Final[dict[str, Dialect]] = {
    "openai_responses": OpenAIResponses(),
}


def dialect(name: str) -> Dialect:
    """The dialect a row names. Raises `KeyError` for a name that no dialect has; the catalogue checks rows at load."""
    return DIALECTS[name]
