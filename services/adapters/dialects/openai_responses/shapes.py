"""What is read of a Responses answer: typed where something is done with it, raw where it only passes."""

import msgspec

from services.vocabulary.usage import Usage, unusual_tier


class InputDetails(msgspec.Struct):
    """Subsets of input_tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    """A subset of output_tokens."""

    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """OpenAI counts cached tokens inside input_tokens and reasoning tokens inside output_tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    def disjoint(self, web_searches: int, service_tier: str | None) -> Usage:
        """The same in classes of which every token is in exactly one."""
        details = self.input_tokens_details or InputDetails()
        read, written = details.cached_tokens or 0, details.cache_write_tokens or 0
        reasoning = (self.output_tokens_details.reasoning_tokens if self.output_tokens_details else None) or 0
        return Usage(
            input=max(0, self.input_tokens - read - written),
            cache_read=read,
            cache_write_5m=written,
            output=self.output_tokens,
            reasoning=reasoning,
            web_searches=web_searches,
            tier=unusual_tier(service_tier),
        )


class WireError(msgspec.Struct):
    """The error of a failed response, of an `error` event, or of an HTTP error."""

    message: str | None = None
    code: str | int | None = None
    type: str | None = None
    param: str | None = None


class Incomplete(msgspec.Struct):
    """Why a response is incomplete."""

    reason: str | None = None


class Item(msgspec.Struct):
    """What tells items apart."""

    type: str = ""


class Answer(msgspec.Struct):
    """A response object, as far as the gateway reads it on the native lane."""

    status: str | None = None
    error: WireError | None = None
    incomplete_details: Incomplete | None = None
    usage: WireUsage | None = None
    service_tier: str | None = None
    output: list[Item] = []

    def web_searches(self) -> int:
        """Searches the provider made and charges for."""
        return sum(item.type == "web_search_call" for item in self.output)

    def calls(self) -> bool:
        """Whether the client is to run something."""
        return any(item.type in ("function_call", "custom_tool_call") for item in self.output)
