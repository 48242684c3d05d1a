"""What a surface asks of a model: one `Call`, in no provider's format.

Free JSON (tool schemas, formats of custom tools, items of hosted tools) stays `msgspec.Raw`: the bytes and the key order
of the client, because re-serialising them breaks prompt caches, signatures and structured-output order.
Every struct here is mirrored by `proto/concentrate/adapters/v1/call.proto`, so that services can run apart.
"""

from typing import Literal

import msgspec

from services.vocabulary.routing import Routing

Role = Literal["user", "assistant", "system", "developer"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Cache(msgspec.Struct, frozen=True):
    """A prompt-cache marker: everything up to here may be kept by the provider for `ttl`."""

    ttl: Literal["5m", "1h"] = "5m"


# ---- content parts ---------------------------------------------------------------------------------------------------


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Plain text, of any role."""

    text: str
    cache: Cache | None = None


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """What an assistant said instead of an answer."""

    text: str


class Image(msgspec.Struct, frozen=True, tag="image"):
    """An image by `https:` or `data:` URL, or by the id of a file the provider already holds."""

    url: str | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None
    cache: Cache | None = None


class File(msgspec.Struct, frozen=True, tag="file"):
    """A document by `https:` or `data:` URL, or by the id of a file the provider already holds."""

    url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    cache: Cache | None = None


class Opaque(msgspec.Struct, frozen=True, tag="opaque"):
    """A part of a type no room knows (input_audio, say), as it came. Only the native lane can carry it."""

    kind: str
    raw: msgspec.Raw


Part = Text | Refusal | Image | File | Opaque


# ---- items of the conversation, oldest first -------------------------------------------------------------------------


class Message(msgspec.Struct, frozen=True, tag="message"):
    """Something said. `phase` (commentary, final_answer) is OpenAI's and passes through where it exists."""

    role: Role
    content: list[Part]
    id: str | None = None
    phase: str | None = None


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """A call the model made. `arguments` is JSON text, or the free text of a custom tool."""

    call_id: str
    name: str
    arguments: str
    custom: bool = False
    namespace: str | None = None
    id: str | None = None
    cache: Cache | None = None


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What the client's tool answered to the call of the same `call_id`."""

    call_id: str
    output: list[Part]
    is_error: bool = False
    custom: bool = False
    cache: Cache | None = None


class Seal(msgspec.Struct, frozen=True):
    """Opaque proof of reasoning, replayed byte for byte and only to where it came from.

    provider and scope: who made it, under which credential and in which wire format; both empty when the client's blob
    carries no tag.
    kind: the provider's own word for the block ("thinking", "redacted", …); empty where there is only one.
    """

    blob: str
    provider: str = ""
    scope: str = ""
    kind: str = ""


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning"):
    """Reasoning of an earlier turn. `summary` and `content` are the readable texts, `seal` the opaque part."""

    summary: list[str] = []
    content: list[str] = []
    seal: Seal | None = None
    id: str | None = None


class Hosted(msgspec.Struct, frozen=True, tag="hosted"):
    """An item that only a provider's own hosted tool understands (web_search_call, mcp_call, compaction…), as it came.

    format: the wire format whose shape it has.
    """

    kind: str
    raw: msgspec.Raw
    format: str = "openai_responses"


Item = Message | ToolCall | ToolResult | Reasoning | Hosted


# ---- tools -----------------------------------------------------------------------------------------------------------


class FunctionTool(msgspec.Struct, frozen=True, tag="function"):
    """A function of the client's. `parameters` is a JSON schema as raw bytes; None when the client sent none."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw | None = None
    strict: bool | None = None
    cache: Cache | None = None


class CustomTool(msgspec.Struct, frozen=True, tag="custom"):
    """A tool called with free text. `format` is the raw grammar object; None means any text."""

    name: str
    description: str | None = None
    format: msgspec.Raw | None = None
    cache: Cache | None = None


class Location(msgspec.Struct, frozen=True):
    """Where the user roughly is, for web search. Country is ISO 3166-1 alpha-2, timezone an IANA name."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    timezone: str | None = None


class WebSearchTool(msgspec.Struct, frozen=True, tag="web_search"):
    """The provider's own web search. `external`: whether it may reach out to the live web; None leaves it to the provider."""

    context_size: Literal["low", "medium", "high"] | None = None
    allowed_domains: list[str] = []
    blocked_domains: list[str] = []
    location: Location | None = None
    cache: Cache | None = None
    external: bool | None = None


class HostedTool(msgspec.Struct, frozen=True, tag="hosted"):
    """A tool only some providers host (file_search, mcp, computer use…), as it came. format: as of `Hosted`."""

    kind: str
    raw: msgspec.Raw
    format: str = "openai_responses"


Tool = FunctionTool | CustomTool | WebSearchTool | HostedTool


class ToolChoice(msgspec.Struct, frozen=True):
    """mode: may, must not, must. `name` forces one tool (mode is then required); `allowed` limits which may be called.

    `name` and `allowed` hold function or custom tool names, or the type of a hosted tool ("web_search").
    """

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None
    allowed: list[str] | None = None


class Format(msgspec.Struct, frozen=True):
    """The shape of the answer's text. `schema` is raw JSON and set for json_schema only."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema: msgspec.Raw | None = None
    description: str | None = None
    strict: bool | None = None


class ReasoningOptions(msgspec.Struct, frozen=True):
    """How much to think and whether to say so; None leaves it to the provider.

    budget_tokens: an exact budget where the surface's format has one; `effort` is then its nearest word.
    """

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    budget_tokens: int | None = None


class Native(msgspec.Struct, frozen=True):
    """The client's own body, for a dialect that speaks the same wire format (the native lane). `fields` keeps key order.

    headers: those of the request that belong to the format (`anthropic-beta`), names in lower case.
    """

    format: str
    fields: dict[str, msgspec.Raw]
    headers: dict[str, str] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, understood and validated. None always means that the client did not say.

    stream: how the client wants the answer, and so how the provider is asked.
    lowers_output: max_output_tokens may become what a model can write at most, because the client's format demands a number.
    extra: fields of the client's body that no room knows, raw; only the native lane can carry them.
    """

    model: str
    items: list[Item]
    stream: bool = False
    instructions: str | None = None
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    max_output_tokens: int | None = None
    lowers_output: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: list[str] = []
    format: Format | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    reasoning: ReasoningOptions | None = None
    top_logprobs: int | None = None
    include: list[str] = []
    truncation: Literal["auto", "disabled"] | None = None
    store: bool | None = None
    metadata: dict[str, str] = {}
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    cache: Cache | None = None
    routing: Routing | None = None
    extra: dict[str, msgspec.Raw] = {}
    native: Native | None = None
