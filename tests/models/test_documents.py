"""What is told of a model: the reference's shapes, made of rows and prices."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from concentrate.models.v1 import model_pb2
from google.protobuf.json_format import MessageToDict

from services.catalog.catalog import Catalog, load
from services.catalog.reading import Rows
from services.catalog.schema import Facts, Model, Offer, PriceRow, Provider, Rates, RateTier
from services.models import shapes
from services.models.pages import Library, Pages
from services.models.typed_service import message

AT = datetime(2026, 11, 23, tzinfo=UTC)
P, Q = (
    Provider("p", "Pee", "openai_chat", "", aliases=["pp"]),
    Provider("q", "Queue", "openai_chat", "", zdr="https://q/zdr"),
)
FACTS = Facts(200_000, 64_000, ["low", "high"], images=True, tools=True, json_schema=False)


def pages(*models: Model, prices: list[PriceRow] | None = None) -> Pages:
    return Pages(Catalog(Rows([P, Q], list(models), prices or [])), AT)


def plain(document: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(document))


def test_models_are_grouped_by_author_newest_first():
    """The order is author, then release, then name, whatever the order of the rows."""
    dated = [("b", "x1", "2026-01-01"), ("a", "y", "2025-01-01"), ("b", "x0", "2026-01-01"), ("b", "z", "2026-02-01")]
    found = pages(*(Model(id, author, created, [Offer("p")]) for author, id, created in dated)).models([])
    assert [model.id for model in found.data] == ["y", "z", "x0", "x1"]
    assert (found.first_id, found.last_id) == ("y", "x1")


def test_a_row_has_the_fields_of_both_lists():
    """One object serves clients of OpenAI's and of Anthropic's list."""
    row = Model("m", "anna", "2026-02-05", [Offer("p", upstream="up")], name="Em", aliases=["n"], facts=FACTS)
    no, yes = {"supported": False}, {"supported": True}
    assert plain(pages(row).models([])) == {
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
                "capabilities": {
                    "batch": no,
                    "citations": no,
                    "code_execution": no,
                    "context_management": {
                        **no,
                        "clear_thinking_20251015": no,
                        "clear_tool_uses_20250919": no,
                        "compact_20260112": no,
                    },
                    "effort": {**yes, "low": yes, "medium": no, "high": yes, "max": no, "xhigh": no},
                    "image_input": yes,
                    "pdf_input": no,
                    "structured_outputs": no,
                    "thinking": {**yes, "types": {"adaptive": no, "enabled": no}},
                },
                "aliases": ["n"],
                "providers": ["p"],
            }
        ],
        "has_more": False,
        "first_id": "m",
        "last_id": "m",
    }


def test_a_detail_has_each_provider_with_its_own_limits_prices_and_promises():
    """Prices are JSON numbers in dollars for a million tokens; what is not known is null."""
    rates = Rates(
        input="3", cache_read="0.3", cache_write_5m="3.75", cache_write_1h="6", output="15", web_searches="10"
    )
    tier = RateTier(200_000, Rates(input="6", output="22.5"))
    row = Model(
        "m",
        "anna",
        "2026-02-05",
        [Offer("p", deprecated_at="2027-01-01", region="eu"), Offer("q", facts=Facts(context=100_000))],
        name="Em",
        aliases=["n"],
        facts=FACTS,
        author_name="Anna Inc.",
        tier=4,
        tier_basis="a guess",
    )
    price = msgspec.convert({"provider": "p", "model": "m", "rates": {}, "source": ""}, PriceRow)
    price = msgspec.structs.replace(price, rates=_exact(rates), tiers=[RateTier(tier.above, _exact(tier.rates))])
    made = plain(pages(row, prices=[price]).model("n"))

    def usd(amount: float, units: int = 1_000_000) -> dict[str, Any]:
        return {"price": {"USD": amount}, "units": units}

    write = {"ephemeral_5m_input_tokens": usd(3.75), "ephemeral_1h_input_tokens": usd(6)}
    assert made["providers"]["p"] == {
        "provider_slug": "p",
        "upstream_id": "m",
        "region": "eu",
        "pricing": {
            "tokens": {
                "input": usd(3),
                "output": usd(15),
                "cache": {"read": usd(0.3), "write": write},
                "tiers": [
                    {
                        "above": 200_000,
                        "input": usd(6),
                        "output": usd(22.5),
                        "cache": {"read": usd(0.3), "write": write},
                    }
                ],
            },
            "tool_calls": {"web_search": usd(10, 1000)},
        },
        "context_window": 200_000,
        "max_output_tokens": 64_000,
        "supports": {
            "reasoning": True,
            "stream": True,
            "streaming": True,
            "temperature": None,
            "tools": {"function_calling": True, "web_search": None},
            "text": {"format": {"json_schema": False}},
            "input": {"image": True, "file": {"pdf": None}},
        },
        "image_processing": True,
        "pdf_processing": None,
        "zdr": False,
        "deprecated_at": "2027-01-01",
    }
    other = made["providers"]["q"]
    assert (other["pricing"], other["context_window"], other["zdr"]) == (None, 100_000, {"policy": "https://q/zdr"})
    assert {name: made[name] for name in ("slug", "aliases", "name", "author", "release_date", "quality", "id")} == {
        "slug": "m",
        "aliases": ["n"],
        "name": "Em",
        "author": {"slug": "anna", "display_name": "Anna Inc."},
        "release_date": "2026-02-05",
        "quality": {"tier": 4, "basis": "a guess"},
        "id": "m",
    }
    assert made["description"] == (
        "Em by Anna Inc.. Reads text and images, up to 200,000 tokens of context; reasons before it answers."
    )


def _exact(rates: Rates) -> Rates:
    """The rates as the catalogue reads them: decimals."""
    given = {name: value for name, value in msgspec.structs.asdict(rates).items() if value is not None}
    return msgspec.convert(given, Rates)


def test_the_messages_say_what_json_says():
    """Every document of the shipped catalogue becomes a message field by field, and nothing is lost on the way."""
    everything = Pages(load(), AT)
    rows = everything.models([])
    assert [row.id for row in message(rows, _list()).data] == [row.id for row in rows.data]
    for row in rows.data:
        said = plain(everything.model(row.id))
        typed = MessageToDict(
            message(everything.model(row.id), model_pb2.ModelDetail()), preserving_proto_field_name=True
        )
        assert _without_empty(typed) == _without_empty(said), row.id


def _list() -> Any:
    from concentrate.models.v1.models_service_pb2 import ListModelsResponse

    return ListModelsResponse()


def _without_empty(value: Any) -> Any:
    """Protobuf does not tell false, zero, empty and absent apart; `usd` is `USD` in JSON."""
    if isinstance(value, dict):
        kept = {name.replace("usd", "USD"): _without_empty(member) for name, member in value.items()}
        return {name: member for name, member in kept.items() if member not in (None, False, 0, "", [], {})}
    return [_without_empty(member) for member in value] if isinstance(value, list) else value


def test_without_any_credentials_the_sandbox_is_listed():
    """A machine without keys has one model to try, and it is free."""
    alone = Pages(load().configured({}), AT)
    assert [model.id for model in alone.models([]).data] == ["sandbox/echo"]
    pricing = alone.offer("sandbox/echo", "sandbox").pricing
    assert pricing is not None
    assert (pricing.tokens.input, pricing.tool_calls.web_search) == (
        shapes.UnitPrice(shapes.Amount(0), 1_000_000),
        None,
    )


async def test_prices_are_those_of_the_day():
    """The pages are kept while neither the day nor the catalogue changes, and made anew when one does."""
    model = Model("m", "anna", "2026-02-05", [Offer("p")])
    prices = [
        PriceRow("p", "m", _exact(Rates(input="1", output="2"))),
        PriceRow("p", "m", _exact(Rates(input="3")), since="2026-11-24"),
    ]
    now = [AT]
    library = Library(Catalog(Rows([P, Q], [model], prices)), lambda: now[0])

    async def price() -> float:
        pricing = (await library.pages()).offer("m", "p").pricing
        assert pricing is not None
        return pricing.tokens.input.price.USD

    first = await library.pages()
    assert (await price(), await library.pages() is first) == (1, True)
    now[0] = datetime(2026, 11, 24, tzinfo=UTC)
    assert await price() == 3
    library.show(Catalog(Rows([P, Q], [model], prices[:1])))
    assert await price() == 1
