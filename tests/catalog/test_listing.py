"""The list of models."""

import msgspec

from services.catalog.catalog import Catalog, load
from services.catalog.listing import listing
from services.catalog.reading import Rows
from services.catalog.schema import Facts, Model, Offer, Provider


def test_models_are_grouped_by_author_newest_first():
    """The order is author, then release, then name, whatever the order of the rows."""
    dated = [("b", "x1", "2026-01-01"), ("a", "y", "2025-01-01"), ("b", "x0", "2026-01-01"), ("b", "z", "2026-02-01")]
    models = [Model(id, author, created, [Offer("p")]) for author, id, created in dated]
    rows = Rows([Provider("p", "P", "d", "")], models)
    assert [model.id for model in listing(Catalog(rows)).data] == ["y", "z", "x0", "x1"]


def test_a_row_has_the_fields_of_both_lists():
    """One object serves clients of OpenAI's and of Anthropic's list."""
    facts = Facts(context=200_000, max_output=64_000)
    row = Model("m", "anna", "2026-02-05", [Offer("p", upstream="up")], name="Em", aliases=["n"], facts=facts)
    built = msgspec.to_builtins(listing(Catalog(Rows([Provider("p", "P", "d", "")], [row]))))
    assert built == {
        "object": "list",
        "data": [
            {
                "id": "m",
                "object": "model",
                "created": 1770249600,
                "owned_by": "anna",
                "type": "model",
                "display_name": "Em",
                "created_at": "2026-02-05T00:00:00.000Z",
                "max_input_tokens": 200_000,
                "max_tokens": 64_000,
                "aliases": ["n"],
                "providers": ["p"],
            }
        ],
        "has_more": False,
        "first_id": "m",
        "last_id": "m",
    }


def test_without_any_credentials_the_sandbox_is_listed():
    """A machine without keys has one model to try."""
    assert [model.id for model in listing(load().configured({})).data] == ["sandbox/echo"]
