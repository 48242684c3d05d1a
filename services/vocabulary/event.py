"""What a dialect reads out of a provider's bytes: about a dozen events, in the order things happened.

A dialect never numbers, names or closes public items: it says what came, and the surface's projection owns ids, indices
and order. Text and reasoning go to the item that is open now; a different kind of event, or `ItemDone`, closes it.
Tool calls and searches carry a `key`, because several may be open at once.
"""

from typing import Literal

import msgspec

from services.vocabulary.usage import Usage

FinishReason = Literal["stop", "tool_calls", "length", "content_filter", "refusal", "pause"]


class Loss(msgspec.Struct, frozen=True):
    """Something the client asked for that did not reach the provider as asked.

    param: path in the client's request (`tools[2].strict`). action: dropped, emulated, changed or moved.
    """

    param: str
    action: Literal["dropped", "emulated", "changed", "moved"]
    detail: str


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The provider accepted the call. First event, once; not content, so it does not commit a route.

    scope: short fingerprint of the credential used, and the wire format; seals of this answer are bound to both.
    native: the answer comes as the provider writes it (native events), because the caller's body travelled as it came.
    """

    provider: str
    scope: str
    losses: list[Loss] = []
    native: bool = False


class TextDelta(msgspec.Struct, frozen=True, tag="text_delta"):
    """More text of the answer. `logprobs` is the raw array OpenAI defines for it, when asked for."""

    text: str
    logprobs: msgspec.Raw | None = None


class RefusalDelta(msgspec.Struct, frozen=True, tag="refusal_delta"):
    """More text of a refusal."""

    text: str


class Citation(msgspec.Struct, frozen=True, tag="citation"):
    """A source of the text so far. start and end count characters of the open text part.

    Without them the citation covers the text since `TextBlock` last began, as Anthropic's do.
    """

    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    file_id: str | None = None
    filename: str | None = None
    start: int | None = None
    end: int | None = None


class TextBlock(msgspec.Struct, frozen=True, tag="text_block"):
    """A new block of the same text begins; citations without positions that follow refer to it."""


class ReasoningDelta(msgspec.Struct, frozen=True, tag="reasoning_delta"):
    """More readable reasoning: a summary of it, or the raw content. A higher `part` begins a new part."""

    text: str
    kind: Literal["summary", "content"] = "summary"
    part: int = 0


class ReasoningSealed(msgspec.Struct, frozen=True, tag="reasoning_sealed"):
    """The opaque part of the open reasoning item (opens one if none is), which it closes.

    kind: see `Seal.kind`. An empty blob: the provider gives no proof; a kind then still says what the readable text is.
    """

    blob: str
    kind: str = ""


class ToolCallStarted(msgspec.Struct, frozen=True, tag="tool_call_started"):
    """The model begins a call. `key` is unique within the answer; `call_id` empty where the provider gives none."""

    key: str
    call_id: str
    name: str
    custom: bool = False
    namespace: str | None = None


class ToolCallDelta(msgspec.Struct, frozen=True, tag="tool_call_delta"):
    """More of a call's arguments: JSON text, or the free text of a custom tool."""

    key: str
    arguments: str


class ToolCallDone(msgspec.Struct, frozen=True, tag="tool_call_done"):
    """A call is complete."""

    key: str


class SearchStarted(msgspec.Struct, frozen=True, tag="search_started"):
    """The provider begins a web search of its own."""

    key: str


class SearchDone(msgspec.Struct, frozen=True, tag="search_done"):
    """A web search ended. `query` and `sources` (URLs) as far as the provider tells."""

    key: str
    query: str = ""
    sources: list[str] = []
    failed: bool = False


class HostedItem(msgspec.Struct, frozen=True, tag="hosted_item"):
    """A complete output item in Responses shape that only the provider's own hosted tool explains, as it came."""

    kind: str
    raw: msgspec.Raw


class ItemDone(msgspec.Struct, frozen=True, tag="item_done"):
    """The open text or reasoning item is complete."""


class UsageReported(msgspec.Struct, frozen=True, tag="usage_reported"):
    """What the provider counted, for the whole answer: once, before `Finished`.

    Not at all where the provider counts nothing, because zero is a count: such an answer has no usage and no cost.
    partial: what it has counted so far, before the answer is complete; a later one replaces it.
    """

    usage: Usage
    partial: bool = False


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The answer is complete. Last event, once. `stop_sequence` is the one that was met."""

    reason: FinishReason
    stop_sequence: str | None = None


class NativeEvent(msgspec.Struct, frozen=True, tag="native_event"):
    """One stream event on the native lane: its type and its data exactly as the provider sent it (one line of JSON).

    Without a name: several events that need no edit, as the server-sent events that they came in.
    """

    name: str
    data: bytes


class NativeAnswer(msgspec.Struct, frozen=True, tag="native_answer"):
    """A whole answer on the native lane, exactly as the provider sent it."""

    body: bytes


Event = (
    Opened
    | TextDelta
    | RefusalDelta
    | Citation
    | TextBlock
    | ReasoningDelta
    | ReasoningSealed
    | ToolCallStarted
    | ToolCallDelta
    | ToolCallDone
    | SearchStarted
    | SearchDone
    | HostedItem
    | ItemDone
    | UsageReported
    | Finished
    | NativeEvent
    | NativeAnswer
)
