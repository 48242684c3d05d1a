"""Dot-notation filters: paths, comparisons, and which provider they are about."""

from datetime import UTC, datetime

import pytest

from services.catalog.catalog import Catalog
from services.catalog.reading import Rows
from services.catalog.schema import Facts, Model, Offer, Provider
from services.errors import InvalidRequest
from services.models.filters import CONDITIONS_MAX, PATHS, parse
from services.models.pages import Pages

P, Q = Provider("p", "P", "openai_chat", ""), Provider("q", "Q", "openai_chat", "", zdr="https://q/zdr")
MODELS = [
    Model(
        "big", "anna", "2026-02-05", [Offer("p", facts=Facts(context=1_000_000, tools=True))], aliases=["large"], tier=5
    ),
    Model(
        "both",
        "anna",
        "2025-06-01",
        [Offer("p", facts=Facts(context=200_000, tools=False)), Offer("q", facts=Facts(context=100_000, tools=True))],
        tier=3,
    ),
    Model("old", "bert", "2024-01-01", [Offer("q", facts=Facts(context=8_000), deprecated_at="2026-01-01")]),
]
PAGES = Pages(Catalog(Rows([P, Q], MODELS)), datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    ("query", "passing"),
    [
        ("", "big both old"),
        ("author.slug=anna", "big both"),
        ("owned_by=bert", "old"),
        ("aliases=large", "big"),
        ("providers=q", "both old"),
        ("context_window=200000", "both"),
        ("context_window.gte=200000", "big both"),
        ("context_window.gt=200000", "big"),
        ("context_window.lte=8e3", "old"),
        ("context_window.lt=100000", "old"),
        ("context_window.gte=100000&context_window.lt=1000000", "both"),
        ("supports.tools.function_calling=true", "big both"),
        ("supports.tools.function_calling=false", "both"),
        ("supports.tools.function_calling=true&context_window.gte=200000", "big"),
        ("providers.q.supports.tools.function_calling=true", "both"),
        ("providers.q.supports.tools.function_calling=true&context_window.gte=200000", "both"),
        ("providers.nobody.zdr=true", ""),
        ("supports.streaming=true&context_window.gte=128000", "big both"),
        ("zdr=true", "both old"),
        ("zdr=false", "big both"),
        ("zdr.policy=https%3A%2F%2Fq%2Fzdr", "both old"),
        ("release_date.gte=2025-06-01", "big both"),
        ("deprecated_at.lt=2026-11-01", "old"),
        ("quality.tier.gte=3", "big both"),
        ("capabilities.image_input.supported=true", ""),
        ("author.slug=Anna", ""),
        ("limit=1&beta=true&after_id=big", "big both old"),
    ],
)
def test_a_query_lets_pass(query: str, passing: str):
    """All conditions hold; those about providers at one and the same provider; what is not known fulfils nothing."""
    assert [model.id for model in PAGES.models(parse(query)).data] == passing.split()


def test_of_one_provider_only_that_one_counts():
    """Among the models of a provider, the others' limits do not matter."""
    conditions = parse("context_window.gte=200000")
    assert [model.slug for model in PAGES.models_of_provider("q", conditions)] == []
    (found,) = PAGES.models_of_provider("q", parse("context_window.gte=50000"))
    assert (found.slug, list(found.providers)) == ("both", ["q"])


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("nope=1", "nope"),
        ("author.slug.size=1", "author.slug.size"),
        ("providers.p=1", "providers.p"),
        ("providers.p.nope.gte=1", "providers.p.nope.gte"),
        ("context_window=many", "context_window"),
        ("context_window.gte=", "context_window.gte"),
        ("context_window.gte=nan", "context_window.gte"),
        ("context_window=inf", "context_window"),
        ("supports.stream=yes", "supports.stream"),
        ("supports.stream.gte=true", "supports.stream.gte"),
        ("author.slug.lt=b", "author.slug.lt"),
        (".gte=1", ".gte"),
        ("x" * 5000 + "=1", "x" * 100),
    ],
)
def test_what_is_no_filter_is_named(query: str, param: str):
    """An unknown path, a value of another kind, or a comparison that makes no sense."""
    with pytest.raises(InvalidRequest) as raised:
        parse(query)
    assert raised.value.param == param


def test_conditions_are_counted():
    """A query of thousands is refused before it is read."""
    with pytest.raises(InvalidRequest, match=str(CONDITIONS_MAX)):
        parse("a=1&" * (CONDITIONS_MAX + 1))


def test_the_documented_examples_are_paths():
    """The published filters, and every leaf of the shapes."""
    assert {"author.slug", "supports.streaming", "context_window", "supports.tools.function_calling"} <= PATHS.keys()
    assert PATHS["pricing.tokens.input.price.USD"] == "number"
