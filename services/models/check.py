"""What is wrong with rows that can be used all the same: no price, or limits that cannot be."""

from datetime import UTC, datetime

from services.billing.pricing import FREE, Pricing
from services.catalog.catalog import Catalog


def problems(catalog: Catalog) -> list[str]:
    """One line each; none when all is in order."""
    pricing, now, found = Pricing(catalog.prices), datetime.now(UTC), []
    for model in catalog.models.values():
        if not model.offers:
            found.append(f"model {model.id}: has no offers")
        for offer, target in catalog.offers_of(model):
            priced = target.provider.prices == FREE or pricing.card(target, now) is not None
            if priced == bool(offer.unpriced):
                said = (
                    "has a price, and `unpriced` too" if priced else "has no price: give one, or say why in `unpriced`"
                )
                found.append(f"model {model.id} at {offer.provider}: {said}")
            context, most = target.facts.context, target.facts.max_output
            if context is not None and most is not None and most > context:
                found.append(f"model {model.id} at {offer.provider}: may write more than its window holds")
    return found
