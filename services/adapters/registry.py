"""The dialects by name, as provider rows name them."""

from typing import Final

from services.adapters.dialect import Dialect
from services.adapters.dialects.anthropic_messages import AnthropicMessages
from services.adapters.dialects.anthropic_messages.bedrock import AnthropicBedrock
from services.adapters.dialects.anthropic_messages.vertex import AnthropicVertex
from services.adapters.dialects.bedrock_converse import BedrockConverse
from services.adapters.dialects.cohere_chat import CohereChat
from services.adapters.dialects.gemini import Gemini
from services.adapters.dialects.openai_chat import OpenAIChat
from services.adapters.dialects.openai_chat.quirks import Quirks, read_quirks
from services.adapters.dialects.openai_responses import OpenAIResponses
from services.catalog.schema import Provider

DIALECTS: Final[dict[str, Dialect]] = {
    "anthropic_messages": AnthropicMessages(),
    "anthropic_vertex": AnthropicVertex(),
    "anthropic_bedrock": AnthropicBedrock(),
    "bedrock_converse": BedrockConverse(),
    "cohere_chat": CohereChat(),
    "gemini": Gemini(),
    "openai_chat": OpenAIChat(),
    "openai_responses": OpenAIResponses(),
}

_QUIRKS: Final = frozenset(
    {
        *Quirks.__struct_fields__,  # openai_chat
        *("anthropic_version", "betas", "messages_path"),  # anthropic_messages
        *("guardrail", "latency"),  # bedrock_converse
        "exclude_domains",  # gemini
        *("omit", "openai_tools"),  # openai_responses
    }
)
"""Of all formats together: a row may hold quirks for a format that only some of its offers speak."""


class QuirkError(Exception):
    """A row has a quirk that no format knows, or one of a wrong type. The message names it."""


def dialect(name: str) -> Dialect:
    """The dialect a row names. Raises `KeyError` for a name that no dialect has; the catalogue checks rows at load."""
    return DIALECTS[name]


def check_quirks(provider: Provider) -> None:
    """Raises `QuirkError` for a quirk that no format knows, or that is not of its type."""
    if unknown := provider.quirks.keys() - _QUIRKS:
        raise QuirkError(f"provider {provider.id}: no format knows the quirk `{min(unknown)}`")
    try:
        read_quirks(provider)
    except ValueError as error:
        raise QuirkError(str(error)) from error
