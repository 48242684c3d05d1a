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
from services.adapters.dialects.openai_responses import OpenAIResponses

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


def dialect(name: str) -> Dialect:
    """The dialect a row names. Raises `KeyError` for a name that no dialect has; the catalogue checks rows at load."""
    return DIALECTS[name]
