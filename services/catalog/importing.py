"""Rows out of other projects' model lists: models.dev's `api.json` and LiteLLM's `model_prices_and_context_window.json`.

Pure. What a list says of chat models at providers that the catalogue knows becomes models, offers, facts and prices; what
is offered already is left alone. From models.dev a provider that speaks chat completions becomes a row too.
"""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from services.catalog.catalog import Catalog
from services.catalog.reading import CatalogError
from services.errors import GatewayError

Row = dict[str, Any]

_MODELS_DEV: Final = {
    "amazon-bedrock": "bedrock",
    "google": "gemini",
    "google-vertex": "vertex",
    "google-vertex-anthropic": "vertex",
    "cloudflare-workers-ai": "cloudflare",
}
_LITELLM: Final = {
    "azure_ai": "azure",
    "bedrock_converse": "bedrock",
    "cohere_chat": "cohere",
    "vertex_ai": "vertex",
    "vertex_ai-language-models": "vertex",
    "vertex_ai-anthropic_models": "vertex",
}
_COMPATIBLE: Final = "@ai-sdk/openai-compatible"
_MILLION: Final = 1_000_000


class Found(msgspec.Struct, frozen=True):
    """A model at a provider, as a list has it. rates: dollars per million tokens."""

    provider: str
    upstream: str
    name: str
    created: str
    facts: Row
    rates: Row
    deprecated_at: str | None = None


def rows(document: Any, catalog: Catalog, *, source: str, only: Collection[str] = ()) -> dict[str, list[Row]]:
    """Rows for the file CONCENTRATE_CONFIG names: providers, models and prices that the catalogue lacks.

    `only`: the providers to take, by our ids or aliases; none given: all that can be used. Raises `CatalogError` for a
    document that is neither list.
    """
    if not isinstance(document, dict) or not all(isinstance(value, dict) for value in document.values()):
        raise CatalogError(f"{source}: neither models.dev's list nor LiteLLM's")
    providers: list[Row] = []
    if any("litellm_provider" in value for value in document.values()):
        found = list(_litellm(document))
    elif any("models" in value for value in document.values()):
        providers = [row for row in map(_provider, document.values()) if row and catalog.provider(row["id"]) is None]
        found = list(_models_dev(document))
    else:
        raise CatalogError(f"{source}: neither models.dev's list nor LiteLLM's")
    wanted = {provider.id if (provider := catalog.provider(name)) else name for name in only}
    usable = {*catalog.providers, *(row["id"] for row in providers)}
    taken = [each for each in found if each.provider in usable and (not wanted or each.provider in wanted)]
    models, prices = _rows(taken, catalog, source)
    asked = {offer["provider"] for model in models for offer in model["offers"]}
    made = {"providers": [row for row in providers if row["id"] in asked], "models": models, "prices": prices}
    return {key: value for key, value in made.items() if value}


def _rows(found: list[Found], catalog: Catalog, source: str) -> tuple[list[Row], list[Row]]:
    models: dict[str, Row] = {}
    prices: list[Row] = []
    seen = {
        (target.provider.id, target.upstream)
        for model in catalog.models.values()
        for _, target in catalog.offers_of(model)
    }
    seen |= {
        (offer.provider, name)
        for model in catalog.models.values()
        for offer in model.offers
        for name in offer.snapshots
    }
    for each in found:
        key = (each.provider, each.upstream)
        if key in seen:
            continue
        seen.add(key)
        offer: Row = {"provider": each.provider, "upstream": each.upstream}
        if each.facts:
            offer["facts"] = each.facts
        if each.deprecated_at:
            offer["deprecated_at"] = each.deprecated_at
        model = _model(each, catalog)
        row = models.setdefault(model["id"], model)
        if all(other["provider"] != each.provider for other in row["offers"]):
            row["offers"].append(offer)
            if each.rates:
                prices.append(
                    {"provider": each.provider, "model": each.upstream, "rates": each.rates, "source": source}
                )
    return list(models.values()), prices


def _model(found: Found, catalog: Catalog) -> Row:
    """A new row; or, for a model that there is, one that adds to its offers."""
    slug = found.upstream.rpartition("/")[2].lower()
    try:
        known = catalog.model(slug)
    except GatewayError:
        return {"id": slug, "name": found.name or slug, "created": found.created, "offers": []}
    offers = [_said(msgspec.to_builtins(offer)) for offer in known.offers]
    return {"id": known.id, "offers": offers}


def _said(row: Row) -> Row:
    """Without what says nothing."""
    kept = {name: _said(value) if isinstance(value, dict) else value for name, value in row.items()}
    return {name: value for name, value in kept.items() if value is not None and value not in ("", [], {})}


def _models_dev(document: Mapping[str, Any]) -> Iterator[Found]:
    for slug, provider in document.items():
        for id, model in (provider.get("models") or {}).items():
            modalities = model.get("modalities") or {}
            if "text" not in (modalities.get("output") or ["text"]) or not isinstance(model.get("limit"), dict):
                continue
            given, cost = modalities.get("input"), model.get("cost") or {}
            facts = {
                "context": _count(model["limit"].get("context")),
                "max_output": _count(model["limit"].get("output")),
                "efforts": [] if model.get("reasoning") is False else None,
                "images": None if given is None else "image" in given,
                "pdfs": None if given is None else "pdf" in given,
                "tools": model.get("tool_call"),
                "json_schema": model.get("structured_output"),
                "temperature": model.get("temperature"),
            }
            rates = {
                "input": _price(cost.get("input"), 1),
                "cache_read": _price(cost.get("cache_read"), 1),
                "cache_write_5m": _price(cost.get("cache_write"), 1),
                "output": _price(cost.get("output"), 1),
            }
            yield Found(
                _MODELS_DEV.get(slug, slug),
                id,
                str(model.get("name") or ""),
                _date(model),
                _known(facts),
                _priced(rates),
            )


def _litellm(document: Mapping[str, Any]) -> Iterator[Found]:
    for id, model in document.items():
        prefix = str(model.get("litellm_provider", ""))
        if id == "sample_spec" or model.get("mode") not in ("chat", "responses"):
            continue
        upstream = id.removeprefix(f"{prefix}/").removeprefix(f"{prefix.partition('-')[0]}/")
        facts = {
            "context": _count(model.get("max_input_tokens")),
            "max_output": _count(model.get("max_output_tokens")),
            "images": model.get("supports_vision"),
            "pdfs": model.get("supports_pdf_input"),
            "tools": model.get("supports_function_calling"),
            "json_schema": model.get("supports_response_schema"),
            "web_search": model.get("supports_web_search"),
        }
        rates = {
            "input": _price(model.get("input_cost_per_token")),
            "cache_read": _price(model.get("cache_read_input_token_cost")),
            "cache_write_5m": _price(model.get("cache_creation_input_token_cost")),
            "cache_write_1h": _price(model.get("cache_creation_input_token_cost_above_1hr")),
            "output": _price(model.get("output_cost_per_token")),
        }
        ends = model.get("deprecation_date")
        yield Found(_LITELLM.get(prefix, prefix), upstream, "", "1970-01-01", _known(facts), _priced(rates), ends)


def _provider(entry: Mapping[str, Any]) -> Row | None:
    """A row for one that speaks chat completions at an address without holes."""
    api, env = entry.get("api"), entry.get("env") or []
    if entry.get("npm") != _COMPATIBLE or not isinstance(api, str) or "$" in api or not env:
        return None
    docs = [entry["doc"]] if entry.get("doc") else []
    row = {"id": entry["id"], "name": entry.get("name") or entry["id"], "dialect": "openai_chat", "base_url": api}
    return {**row, "auth": {"scheme": "bearer", "secret": env[:1]}, "docs": docs}


def _date(model: Mapping[str, Any]) -> str:
    """The day of the release; the first of the month or of the year where the list has no more."""
    parts = str(model.get("release_date") or "1970").split("-")
    return "-".join([*parts, "01", "01"][:3])


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _price(value: Any, per: int = _MILLION) -> float | None:
    try:
        return None if value is None else float(Decimal(str(value)) * per)
    except InvalidOperation:
        return None


def _known(facts: Row) -> Row:
    known = {name: value for name, value in facts.items() if value is not None}
    if known.get("max_output", 0) > known.get("context", _MILLION * _MILLION):
        del known["max_output"]
    return known


def _priced(rates: Row) -> Row:
    """The rates, when there is one for each direction."""
    if rates["input"] is None or rates["output"] is None:
        return {}
    return {name: value for name, value in rates.items() if value is not None}
