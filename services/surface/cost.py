"""What an answer costs, as every public format tells it: OpenAI's and Anthropic's have no field for it, so this one is ours."""

from typing import Literal

import msgspec

from services.vocabulary.cost import Cost


class PublicCost(msgspec.Struct):
    """US dollars, exact to the nano-dollar: the total, and its parts per token class. byok: an own credential paid.

    price_version: the price data it was made with; empty where nothing was priced.
    """

    total: float
    breakdown: dict[str, float]
    currency: Literal["USD"] = "USD"
    byok: bool = False
    price_version: str = ""


def public_cost(cost: Cost | None) -> PublicCost | None:
    """Nano-dollars -> dollars. A double holds any nano-dollar amount below nine million dollars exactly as printed."""
    if cost is None:
        return None
    parts = {name: nanos / 1e9 for name, nanos in cost.parts.items()}
    return PublicCost(cost.total / 1e9, parts, byok=cost.byok, price_version=cost.price_version)
