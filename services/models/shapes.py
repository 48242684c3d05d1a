"""What the Models API answers, as structs. `proto/concentrate/models/v1` says the same for gRPC clients and describes each field.

The list row is OpenAI's and Anthropic's in one; the detail is that row and the reference's own object in one. Limits are in
tokens. None: not known.
"""

from typing import Literal

import msgspec


class Supported(msgspec.Struct, frozen=True):
    """One capability."""

    supported: bool = False


class ContextManagement(msgspec.Struct, frozen=True):
    """Server-side edits of a long context: none are made here."""

    supported: bool = False
    clear_thinking_20251015: Supported = Supported()
    clear_tool_uses_20250919: Supported = Supported()
    compact_20260112: Supported = Supported()


class EffortLevels(msgspec.Struct, frozen=True):
    """Which reasoning efforts can be asked for."""

    supported: bool = False
    low: Supported = Supported()
    medium: Supported = Supported()
    high: Supported = Supported()
    max: Supported = Supported()
    xhigh: Supported = Supported()


class ThinkingTypes(msgspec.Struct, frozen=True):
    """How an Anthropic model is told to think."""

    adaptive: Supported = Supported()
    enabled: Supported = Supported()


class ThinkingCapability(msgspec.Struct, frozen=True):
    """Whether the model reasons, and how it is told to."""

    supported: bool = False
    types: ThinkingTypes = ThinkingTypes()


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What at least one provider of the model is known to do."""

    batch: Supported = Supported()
    citations: Supported = Supported()
    code_execution: Supported = Supported()
    context_management: ContextManagement = ContextManagement()
    effort: EffortLevels
    image_input: Supported
    pdf_input: Supported
    structured_outputs: Supported
    thinking: ThinkingCapability


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the list."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    type: Literal["model"] = "model"
    display_name: str
    created_at: str
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: Capabilities
    aliases: list[str] = []
    providers: list[str]


class ListModelsResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The whole list, one page."""

    object: Literal["list"] = "list"
    data: list[ListedModel]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class Amount(msgspec.Struct, frozen=True):
    """An amount of money."""

    USD: float


class UnitPrice(msgspec.Struct, frozen=True):
    """A price for so many units."""

    price: Amount
    units: int


class CacheWrites(msgspec.Struct, frozen=True):
    """Prices of what is written to a prompt cache, by how long it is kept."""

    ephemeral_5m_input_tokens: UnitPrice | None = None
    ephemeral_1h_input_tokens: UnitPrice | None = None


class CachePrices(msgspec.Struct, frozen=True):
    """Prices of a prompt cache."""

    read: UnitPrice | None
    write: CacheWrites


class TokenTier(msgspec.Struct, frozen=True):
    """Prices of a call with more than `above` prompt tokens, for all of its tokens."""

    above: int
    input: UnitPrice
    output: UnitPrice
    cache: CachePrices


class TokenPrices(msgspec.Struct, frozen=True):
    """Prices of tokens."""

    input: UnitPrice
    output: UnitPrice
    cache: CachePrices
    tiers: list[TokenTier] = []


class ToolPrices(msgspec.Struct, frozen=True):
    """Prices of tools the provider runs."""

    web_search: UnitPrice | None = None


class OfferPricing(msgspec.Struct, frozen=True):
    """List prices of a model at a provider."""

    tokens: TokenPrices
    tool_calls: ToolPrices


class ToolSupport(msgspec.Struct, frozen=True):
    """Which tools can be used."""

    function_calling: bool | None
    web_search: bool | None


class FormatSupport(msgspec.Struct, frozen=True):
    """Which formats of text can be asked for."""

    json_schema: bool | None


class TextSupport(msgspec.Struct, frozen=True):
    """What can be asked of the text."""

    format: FormatSupport


class FileSupport(msgspec.Struct, frozen=True):
    """Which files are read."""

    pdf: bool | None


class InputSupport(msgspec.Struct, frozen=True):
    """What is read besides text."""

    image: bool | None
    file: FileSupport


class Supports(msgspec.Struct, frozen=True, kw_only=True):
    """What an offer can do; None where it is not known, and so not refused."""

    reasoning: bool | None
    stream: bool = True
    streaming: bool = True
    temperature: bool | None
    tools: ToolSupport
    text: TextSupport
    input: InputSupport


class ZdrPolicy(msgspec.Struct, frozen=True):
    """A promise of zero data retention. policy: the page or the agreement that says so."""

    policy: str | None


class ModelOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A model at one provider."""

    provider_slug: str
    upstream_id: str
    region: str | None = None
    pricing: OfferPricing | None
    context_window: int | None
    max_output_tokens: int | None
    supports: Supports
    image_processing: bool | None
    pdf_processing: bool | None
    zdr: Literal[False] | ZdrPolicy
    deprecated_at: str | None = None


class Author(msgspec.Struct, frozen=True):
    """Who made a model."""

    slug: str
    display_name: str


class Quality(msgspec.Struct, frozen=True):
    """How good a model is taken to be by `auto`, 1 to 5, and what that rests on."""

    tier: int
    basis: str


class ModelDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one model."""

    slug: str
    aliases: list[str] = []
    name: str
    description: str
    author: Author
    release_date: str
    quality: Quality | None = None
    providers: dict[str, ModelOffer]
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    type: Literal["model"] = "model"
    display_name: str
    created_at: str
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    capabilities: Capabilities


class ProviderName(msgspec.Struct, frozen=True):
    """A provider and what it may be called."""

    slug: str
    display_name: str
    aliases: list[str] = []
