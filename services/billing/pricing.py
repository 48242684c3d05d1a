"""What an answer costs: usage times the rates of its target.

Prices are list prices of the `genai-prices` package, looked up by provider and upstream id, with our own rows on top
(`services/catalog/prices.yaml`). The package's bundled data is used; it is never asked to update itself over the network.
"""

from collections.abc import Sequence
from datetime import datetime

from genai_prices import __version__ as data_version
from genai_prices.data import providers as data
from genai_prices.types import ModelInfo

from services.billing.money import to_nano
from services.billing.rates import RateCard, from_data, override
from services.catalog.schema import PriceRow, Target
from services.vocabulary.cost import Cost
from services.vocabulary.usage import Usage

FREE = "free"
_FREE = Cost(0, {}, FREE)
_CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "web_searches")


class Pricing:
    """Prices answers. Cards are worked out once a minute per target, since prices change at stated times."""

    def __init__(self, rows: Sequence[PriceRow] = ()) -> None:
        """`rows`: our own prices."""
        self._rows = rows
        self._data = {provider.id: provider for provider in data}
        self._models: dict[tuple[str, str], ModelInfo | None] = {}
        self._cards: dict[tuple[str, str, str], tuple[int, RateCard | None]] = {}

    def show(self, rows: Sequence[PriceRow]) -> None:
        """Prices by other rows of our own from now on."""
        self._rows = rows
        self._cards.clear()

    def cost(self, target: Target, usage: Usage, at: datetime) -> Cost | None:
        """The cost of an answer given at `at`. None: the target, or a class of tokens that was used, has no price."""
        if target.provider.prices == FREE:
            return _FREE
        card = self.card(target, at, usage.tier)
        if card is None:
            return None
        rates = card.rates(usage.input_total)
        parts = {}
        for name in _CLASSES:
            if count := getattr(usage, name):
                if name not in rates:
                    return None
                parts[name] = count * rates[name]
        total, rounded = to_nano(parts)
        return Cost(total, rounded, card.version)

    def card(self, target: Target, at: datetime, tier: str = "") -> RateCard | None:
        """The rates of a listed target at a moment; None when it has no price."""
        if not target.listed:
            return None
        key = (target.provider.id, target.upstream, tier)
        minute = int(at.timestamp()) // 60
        cached = self._cards.get(key)
        if cached is not None and cached[0] == minute:
            return cached[1]
        card = self._work_out(target, at, tier)
        self._cards[key] = (minute, card)
        return card

    def model(self, target: Target) -> ModelInfo | None:
        """The row of the price data for a target, None when there is none."""
        key = (target.provider.id, target.upstream)
        if key not in self._models:
            self._models[key] = self._find(target)
        return self._models[key]

    def _work_out(self, target: Target, at: datetime, tier: str) -> RateCard | None:
        model = self.model(target)
        card = None if model is None else from_data(model, at, tier, data_version)
        today = at.date().isoformat()
        for row in sorted(self._rows, key=lambda row: row.since):
            if row.since <= today and _applies(row, target):
                card = override(card, row)
        return card if card is not None and {"input", "output"} <= card.base.keys() else None

    def _find(self, target: Target) -> ModelInfo | None:
        name, upstream = target.provider.prices or target.provider.id, target.upstream
        if "{suffix}" in name:
            upstream, _, suffix = upstream.partition(":")
            name = name.replace("{suffix}", suffix)
        provider = self._data.get(name)
        return None if provider is None else provider.find_model(upstream, all_providers=data)


def _applies(row: PriceRow, target: Target) -> bool:
    if row.provider != target.provider.id:
        return False
    if row.model.endswith("*"):
        return target.upstream.startswith(row.model[:-1])
    return row.model == target.upstream
