"""The public answer: `chat.completion` and `chat.completion.chunk`.

https://platform.openai.com/docs/api-reference/chat/object and …/chat-streaming. Ours, and safe for every client that was tried:
`cost`, `routing`, `translation_losses`; in a message `reasoning_content` and `reasoning` (the same text under the two names that
clients look for), `reasoning_details` (to be sent back, so that reasoning survives) and `file_citations`.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from services.responses.objects import ToolCallCounts
from services.surface.cost import PublicCost
from services.vocabulary.event import Loss
from services.vocabulary.routing import RouteTaken

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class PageCitation(msgspec.Struct):
    """A web page that supports the characters start_index (included) to end_index (excluded) of the content."""

    url: str
    title: str
    start_index: int
    end_index: int


class ChatAnnotation(msgspec.Struct):
    """A note on the content."""

    url_citation: PageCitation
    type: Literal["url_citation"] = "url_citation"


class FileReference(msgspec.Struct, omit_defaults=True):
    """A file that supports the characters start_index to end_index of the content."""

    file_id: str
    filename: str
    start_index: int
    end_index: int
    cited_text: str | None = None


class ReasoningDetail(msgspec.Struct, omit_defaults=True):
    """A piece of reasoning: a text, a part of a summary, or the opaque proof (`data`). Entries of one `id` are one item.

    To be sent back as they came, in the assistant's message.
    """

    type: Literal["reasoning.text", "reasoning.summary", "reasoning.encrypted"]
    id: str
    index: int = -1
    text: str | None = None
    summary: str | None = None
    data: str | None = None


class CalledFunction(msgspec.Struct):
    """The function that is called, and its arguments as JSON text. In a chunk: more of them."""

    name: str | UnsetType = UNSET
    arguments: str = ""


class CalledCustom(msgspec.Struct):
    """The custom tool that is called, and its input as free text. In a chunk: more of it."""

    name: str | UnsetType = UNSET
    input: str = ""


class ToolCallObject(msgspec.Struct, omit_defaults=True):
    """A call of one of the client's tools. `index` in chunks only."""

    index: int | None = None
    id: str | None = None
    type: Literal["function", "custom"] | None = None
    function: CalledFunction | None = None
    custom: CalledCustom | None = None


class AssistantMessage(msgspec.Struct):
    """What the assistant said and called. `content` is null where it only called."""

    content: str | None = None
    role: Literal["assistant"] = "assistant"
    refusal: str | None = None
    annotations: list[ChatAnnotation] = []
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    reasoning_details: list[ReasoningDetail] | UnsetType = UNSET
    tool_calls: list[ToolCallObject] | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET
    file_citations: list[FileReference] | UnsetType = UNSET


class Delta(msgspec.Struct, omit_defaults=True):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    tool_calls: list[ToolCallObject] | None = None
    function_call: CalledFunction | None = None
    annotations: list[ChatAnnotation] | None = None
    file_citations: list[FileReference] | None = None


class Logprobs(msgspec.Struct):
    """Log probabilities of the content's tokens, as the provider gave them."""

    content: list[msgspec.Raw]
    refusal: list[msgspec.Raw] | None = None


class Choice(msgspec.Struct, kw_only=True):
    """The answer. There is one, but for `n` at providers that have it."""

    index: int = 0
    message: AssistantMessage
    logprobs: Logprobs | None = None
    finish_reason: FinishReason


class ChunkChoice(msgspec.Struct, kw_only=True):
    """What a chunk adds to the answer."""

    index: int = 0
    delta: Delta
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = None


class PromptTokensDetails(msgspec.Struct):
    """Subsets of `prompt_tokens`."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0
    audio_tokens: int = 0


class CompletionTokensDetails(msgspec.Struct):
    """Subsets of `completion_tokens`."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class ChatUsage(msgspec.Struct):
    """Tokens: totals, with subsets in the details, and calls of hosted tools that are charged per call."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails
    tool_calls: ToolCallCounts


class ChatCompletion(msgspec.Struct, kw_only=True):
    """A whole answer. `model` is the `provider/model` that served. Times are Unix seconds."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    cost: PublicCost | None = None
    routing: RouteTaken | None = None
    translation_losses: list[Loss] = []


class ChatCompletionChunk(msgspec.Struct, kw_only=True):
    """A piece of a streamed answer. The last one also says what it cost, how it was routed, and what was lost."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: ChatUsage | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET
    cost: PublicCost | UnsetType | None = UNSET
    routing: RouteTaken | UnsetType | None = UNSET
    translation_losses: list[Loss] | UnsetType = UNSET
