"""What an answer costs, in integer nano-dollars (1 USD = 10**9)."""

import msgspec


class Cost(msgspec.Struct, frozen=True):
    """total: the sum of all parts, rounded up once. parts: nano-dollars per token class (input, cache_read, output…).

    price_version: which price data it was made with. byok: the caller's own credential served it, so nothing is charged.
    """

    total: int
    parts: dict[str, int] = {}
    price_version: str = ""
    byok: bool = False
