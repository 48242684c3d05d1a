"""Claude on Google's Vertex AI: the model and whether to stream stand in the path, the version in the body.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude. The base URL ends with
`…/publishers/anthropic`.
"""

from typing import ClassVar
from urllib.parse import quote

from services.adapters.dialects.anthropic_messages import AnthropicMessages
from services.adapters.dialects.anthropic_messages.carrier import VERTEX, Carrier
from services.catalog.schema import Target
from services.vocabulary.call import Call


class AnthropicVertex(AnthropicMessages):
    """rawPredict and streamRawPredict."""

    name = "anthropic_vertex"
    carrier: ClassVar[Carrier] = VERTEX

    def path(self, call: Call, target: Target) -> str:
        """`/models/{model}:{verb}`."""
        verb = "streamRawPredict" if call.stream else "rawPredict"
        return f"/models/{quote(target.upstream, safe='@')}:{verb}"
