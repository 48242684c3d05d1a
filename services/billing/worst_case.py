"""What a call may cost at most, before anybody is asked. Pure."""

from datetime import datetime
from typing import Final

import msgspec

from services.billing.money import FEMTO_PER_NANO, ceil_div
from services.billing.pricing import FREE, Pricing
from services.billing.rates import RateCard
from services.catalog.schema import Target
from services.ports import Order

OUTPUT_UNKNOWN: Final = 32_000
"""Tokens of an answer of a model whose limit nobody has written down."""

LEAST_OUTPUT: Final = 1_024
"""Tokens that a call whose caller named no limit should at least be let write, where the credit has them."""

MINIMUM_OUTPUT: Final = 16
"""Fewer are no answer (and OpenAI refuses such a limit)."""

_MARGIN: Final = 1.25
_MARGIN_TOKENS: Final = 64
"""On top of the estimate of the prompt: what providers add to it, and what a tokeniser makes of unusual text."""

_INPUT_CLASSES: Final = ("input", "cache_read", "cache_write_5m", "cache_write_1h")


class Ceiling(msgspec.Struct, frozen=True):
    """Of one target, in femto-dollars: the prompt as the dearest class of input, and each token of the answer."""

    prompt: int
    per_token: int
    output_max: int

    def cost(self, output: int) -> int:
        """Nano-dollars with so many tokens of output, or as many as it can write."""
        return ceil_div(self.prompt + min(output, self.output_max) * self.per_token, FEMTO_PER_NANO)

    def affords(self, nano: int) -> int:
        """How many tokens an amount pays for."""
        if self.per_token == 0:
            return self.output_max
        return max(0, (nano * FEMTO_PER_NANO - self.prompt) // self.per_token)


class WorstCase(msgspec.Struct, frozen=True):
    """Of the dearest target. unpriced: ids of targets that nobody can say a price of."""

    ceilings: list[Ceiling]
    unpriced: list[str]

    def cost(self, output: int) -> int:
        """Nano-dollars with at most so many tokens of output."""
        return max((ceiling.cost(output) for ceiling in self.ceilings), default=0)

    def output_max(self, nano: int) -> int | None:
        """The limit of output that an amount pays for at any target; None: no target can exceed it."""
        limited = [tokens for each in self.ceilings if (tokens := each.affords(nano)) < each.output_max]
        return max(min(limited), MINIMUM_OUTPUT) if limited else None


def worst_case(order: Order, pricing: Pricing, at: datetime) -> WorstCase:
    """What the order may cost at `at`. A model that no row lists goes free: the operator has let such pass, without a price."""
    ceilings, unpriced = [], []
    for target in order.targets:
        if target.provider.prices == FREE or target.credential:
            continue  # a credential of the caller's own is paid for elsewhere
        card = pricing.card(target, at)
        if card is not None:
            ceilings.append(_ceiling(order, target, card))
        elif target.listed:
            unpriced.append(target.id)
    return WorstCase(ceilings, unpriced)


def _ceiling(order: Order, target: Target, card: RateCard) -> Ceiling:
    tokens = int(order.input_tokens * _MARGIN) + _MARGIN_TOKENS
    if target.facts.context is not None:
        tokens = min(tokens, target.facts.context)
    rates = card.rates(tokens)
    prompt = tokens * max(rates[name] for name in _INPUT_CLASSES if name in rates)
    prompt += order.web_searches * rates.get("web_searches", 0)
    output_max = order.max_output_tokens
    if output_max is None:
        output_max = target.facts.max_output or OUTPUT_UNKNOWN
    return Ceiling(prompt, rates["output"] * max(order.answers, 1), output_max)
