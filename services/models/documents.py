"""From rows of the catalogue and prices to what the Models API answers."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from services.billing.pricing import FREE
from services.billing.rates import RateCard
from services.catalog.catalog import Catalog, zdr
from services.catalog.schema import Facts, Model, Offer, Target
from services.models import shapes

_FEMTO_PER_USD: Final = 10**15
_TOKENS: Final = 1_000_000
_CALLS: Final = 1_000
_FREE_CARD: Final = RateCard(dict.fromkeys(("input", "cache_read", "output"), 0), [], FREE)
_BUDGET_EFFORTS: Final = ("low", "medium", "high")  # a budget of tokens is chosen for each


class Prices(Protocol):
    """Prices of targets."""

    def card(self, target: Target, at: datetime, tier: str = "") -> RateCard | None:
        """The rates of a target at a moment; None when it has no price."""
        ...


def ordered(catalog: Catalog) -> list[Model]:
    """All models by author, newest first, then by name; the same order every time."""
    models = sorted(catalog.models.values(), key=lambda model: model.id)
    models.sort(key=lambda model: model.created, reverse=True)
    models.sort(key=lambda model: model.author)
    return models


def offered(model: Model, catalog: Catalog, prices: Prices, at: datetime) -> list[shapes.ModelOffer]:
    """The model at each of its providers, first choice first."""
    return [_offer(model, offer, target, prices, at) for offer, target in catalog.offers_of(model)]


def listed(model: Model, catalog: Catalog) -> shapes.ListedModel:
    """The model's row in the list. A limit is that of the most generous provider."""
    facts = [target.facts for _, target in catalog.offers_of(model)]
    return shapes.ListedModel(
        id=model.id,
        created=int(datetime.fromisoformat(model.created).replace(tzinfo=UTC).timestamp()),
        owned_by=model.author,
        display_name=model.name or model.id,
        created_at=f"{model.created}T00:00:00.000Z",
        max_input_tokens=_most(each.context for each in facts),
        max_tokens=_most(each.max_output for each in facts),
        capabilities=_capabilities(facts),
        aliases=model.aliases,
        providers=[offer.provider for offer in model.offers],
    )


def detail(model: Model, row: shapes.ListedModel, found: Sequence[shapes.ModelOffer]) -> shapes.ModelDetail:
    """Everything about the model at these providers."""
    author = shapes.Author(model.author, model.author_name or model.author)
    return shapes.ModelDetail(
        slug=model.id,
        aliases=model.aliases,
        name=row.display_name,
        description=model.description or _description(row, author.display_name),
        author=author,
        release_date=model.created,
        quality=None if model.tier is None else shapes.Quality(model.tier, model.tier_basis),
        providers={offer.provider_slug: offer for offer in found},
        id=model.id,
        created=row.created,
        owned_by=row.owned_by,
        display_name=row.display_name,
        created_at=row.created_at,
        max_input_tokens=row.max_input_tokens,
        max_tokens=row.max_tokens,
        capabilities=row.capabilities,
    )


def providers(catalog: Catalog) -> list[shapes.ProviderName]:
    """All providers by slug."""
    found = sorted(catalog.providers.values(), key=lambda provider: provider.id)
    return [shapes.ProviderName(provider.id, provider.name, provider.aliases) for provider in found]


def _offer(model: Model, offer: Offer, target: Target, prices: Prices, at: datetime) -> shapes.ModelOffer:
    facts = target.facts
    card = _FREE_CARD if target.provider.prices == FREE else prices.card(target, at)
    promised = zdr(target.provider, offer)
    policy = shapes.ZdrPolicy(promised if isinstance(promised, str) else None)
    return shapes.ModelOffer(
        provider_slug=target.provider.id,
        upstream_id=target.upstream,
        region=offer.region or None,
        pricing=None if card is None else _pricing(card),
        context_window=facts.context,
        max_output_tokens=facts.max_output,
        supports=shapes.Supports(
            reasoning=_reasons(facts),
            temperature=facts.temperature,
            tools=shapes.ToolSupport(facts.tools, facts.web_search),
            text=shapes.TextSupport(shapes.FormatSupport(facts.json_schema)),
            input=shapes.InputSupport(facts.images, shapes.FileSupport(facts.pdfs)),
        ),
        image_processing=facts.images,
        pdf_processing=facts.pdfs,
        zdr=policy if promised else False,
        deprecated_at=offer.deprecated_at or model.deprecated_at,
    )


def _pricing(card: RateCard) -> shapes.OfferPricing:
    tiers = [shapes.TokenTier(above, *_token_prices(rates)) for above, rates in card.tiers]
    return shapes.OfferPricing(
        shapes.TokenPrices(*_token_prices(card.base), tiers),
        shapes.ToolPrices(_price(card.base, "web_searches", _CALLS)),
    )


def _token_prices(rates: dict[str, int]) -> tuple[shapes.UnitPrice, shapes.UnitPrice, shapes.CachePrices]:
    given, answered = _price(rates, "input"), _price(rates, "output")
    assert given is not None, "every card has it"
    assert answered is not None, "every card has it"
    writes = shapes.CacheWrites(_price(rates, "cache_write_5m"), _price(rates, "cache_write_1h"))
    return given, answered, shapes.CachePrices(_price(rates, "cache_read"), writes)


def _price(rates: dict[str, int], name: str, units: int = _TOKENS) -> shapes.UnitPrice | None:
    if name not in rates:
        return None
    femto = rates[name] * units
    return shapes.UnitPrice(
        shapes.Amount(femto / _FEMTO_PER_USD if femto % _FEMTO_PER_USD else femto // _FEMTO_PER_USD), units
    )


def _capabilities(facts: Sequence[Facts]) -> shapes.Capabilities:
    efforts = {effort for each in facts for effort in _efforts(each)} - {"none"}
    ways = {each.thinking for each in facts}
    return shapes.Capabilities(
        effort=shapes.EffortLevels(
            bool(efforts), *(shapes.Supported(level in efforts) for level in ("low", "medium", "high", "max", "xhigh"))
        ),
        image_input=shapes.Supported(any(each.images for each in facts)),
        pdf_input=shapes.Supported(any(each.pdfs for each in facts)),
        structured_outputs=shapes.Supported(any(each.json_schema for each in facts)),
        thinking=shapes.ThinkingCapability(
            any(_reasons(each) for each in facts),
            shapes.ThinkingTypes(shapes.Supported("adaptive" in ways), shapes.Supported("budget" in ways)),
        ),
    )


def _efforts(facts: Facts) -> Sequence[str]:
    if facts.efforts is None and facts.thinking == "budget":
        return _BUDGET_EFFORTS
    return facts.efforts or ()


def _reasons(facts: Facts) -> bool | None:
    if facts.efforts is None:
        return None if facts.thinking is None else facts.thinking != "none"
    return bool(facts.efforts)


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _description(row: shapes.ListedModel, author: str) -> str:
    """What is known, in a sentence or two."""
    can = row.capabilities
    reads = ["text", *(["images"] if can.image_input.supported else []), *(["PDFs"] if can.pdf_input.supported else [])]
    said = f"{row.display_name} by {author}. Reads {' and '.join((', '.join(reads[:-1]), reads[-1])) if reads[1:] else 'text'}"
    window = f", up to {row.max_input_tokens:,} tokens of context" if row.max_input_tokens else ""
    return f"{said}{window}{'; reasons before it answers' if can.thinking.supported else ''}."
