"""Shapes that Bedrock's streams and whole answers share. Unknown fields are read over.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html, API_runtime_Citation.html
"""

import msgspec


class WireText(msgspec.Struct, rename="camel"):
    """One piece of text."""

    text: str = ""


class _Web(msgspec.Struct, rename="camel"):
    url: str | None = None


class _Location(msgspec.Struct, rename="camel"):
    web: _Web | None = None


class WireCitation(msgspec.Struct, rename="camel"):
    """A source: of the web, of a document of the request, or of a search result in it."""

    title: str | None = None
    source: str | None = None
    source_content: list[WireText] = []
    location: _Location | None = None


class _CacheDetail(msgspec.Struct, rename="camel"):
    ttl: str
    input_tokens: int


class WireUsage(msgspec.Struct, rename="camel"):
    """Disjoint already: inputTokens counts neither what was read from the cache nor what was written to it."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    cache_details: list[_CacheDetail] = []


class Tier(msgspec.Struct):
    """What the call was served at; the usual one is `default`."""

    type: str = ""


class Performance(msgspec.Struct):
    """`optimized` costs more than `standard`."""

    latency: str = ""


class Served(msgspec.Struct, rename="camel"):
    """How the call was served and what it used."""

    usage: WireUsage
    service_tier: Tier | None = None
    performance_config: Performance | None = None

    @property
    def tier(self) -> str:
        """`Usage.tier`: empty for the usual one."""
        if self.service_tier is not None and self.service_tier.type not in {"", "default"}:
            return self.service_tier.type
        optimized = self.performance_config is not None and self.performance_config.latency == "optimized"
        return "fast" if optimized else ""


class ModelFields(msgspec.Struct):
    """What `additionalModelResponseFieldPaths` asked for."""

    stop_sequence: str | None = None
