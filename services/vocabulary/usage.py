"""Token counts in disjoint classes: every token is in exactly one, so that a price applies to it exactly once."""

from typing import Final

import msgspec

# What providers call the tier that costs what the price list says.
_USUAL_TIERS: Final = frozenset({"auto", "default", "standard", "on_demand"})


def unusual_tier(word: str | None) -> str:
    """A provider's word for the tier it served at, as `Usage.tier` wants it: empty for the usual one."""
    return "" if word is None or word in _USUAL_TIERS else word


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer. Only `reasoning` is a subset (of `output`); all others are disjoint.

    input: fresh prompt tokens, neither read from nor written to a cache.
    cache_read, cache_write_5m, cache_write_1h: prompt tokens by what the provider's cache did with them.
    output: generated tokens, reasoning included.
    web_searches: searches the provider made and charges for.
    tier: the service tier or speed the provider says it served at (`priority`, `flex`, `fast`), empty for the usual one;
    prices may depend on it.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    web_searches: int = 0
    tier: str = ""

    @property
    def cache_write(self) -> int:
        """Prompt tokens written to a cache, for either time to live."""
        return self.cache_write_5m + self.cache_write_1h

    @property
    def input_total(self) -> int:
        """All prompt tokens: what public formats call input or prompt tokens."""
        return self.input + self.cache_read + self.cache_write

    @property
    def total(self) -> int:
        """Prompt and generated tokens together."""
        return self.input_total + self.output
