"""The shipped rows: priced, plausible, and found under the names people know."""

from datetime import UTC, datetime

import pytest

from services.billing.pricing import Pricing
from services.catalog.catalog import load
from services.vocabulary.usage import Usage

ALL = load()
AT = datetime(2026, 11, 23, tzinfo=UTC)


def test_every_offer_has_a_price():
    """A listed model has a list price at every provider that publishes one, whatever class of tokens is used."""
    pricing = Pricing(ALL.prices)
    usage = Usage(input=1, cache_read=1, output=1)
    for model in ALL.models.values():
        for offer, target in ALL.offers_of(model):
            priced = pricing.cost(target, usage, AT) is not None
            assert priced == (not offer.unpriced), f"{target.id} ({target.upstream})"


def test_every_snapshot_has_the_price_of_its_offer():
    """A dated id or alias costs what the model costs: no pattern of the price data takes it for another one."""
    pricing = Pricing(ALL.prices)
    usage = Usage(input=1, cache_read=1, output=1)
    for model in ALL.models.values():
        for offer in model.offers:
            if offer.provider == "huggingface":
                continue  # without a suffix the router chooses who runs it
            for name in offer.snapshots:
                (snapshot,), (plain,) = (ALL.resolve(f"{offer.provider}/{id}") for id in (name, model.id))
                costs = [pricing.cost(target, usage, AT) for target in (snapshot, plain)]
                assert len({cost and cost.total for cost in costs}) == 1, name


def test_claude_is_priced_for_every_kind_of_cache_write_and_search():
    """Writes for five minutes and an hour have their own rates at every provider that serves Claude."""
    pricing = Pricing(ALL.prices)
    for target in ALL.resolve("claude-opus-5-5"):
        searches = 0 if target.provider.id == "bedrock" else 1
        usage = Usage(input=1, cache_write_5m=1, cache_write_1h=1, output=1, web_searches=searches)
        cost = pricing.cost(target, usage, AT)
        assert cost is not None
        assert cost.total == 4_000 + 5_000 + 8_000 + 20_000 + searches * 10_000_000


def test_facts_are_plausible():
    """Windows hold what may be written, and a model that does not reason has no efforts."""
    for model in ALL.models.values():
        assert model.name
        for target in ALL.resolve(model.id):
            facts = target.facts
            assert facts.context is None or facts.max_output is None or facts.max_output <= facts.context, target.id
            assert facts.thinking != "none" or facts.efforts in (None, []), target.id


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("gpt-5.4", "openai/gpt-5.4"),
        ("gpt-5.6", "openai/gpt-5.6"),
        ("gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
        ("o1", "openai/o1"),
        ("command-a", "cohere/command-a-03-2025"),
        ("claude-opus-4-6", "anthropic/claude-opus-4-6"),
        ("claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5-20250929"),
        ("gemini-3.1-pro", "vertex/gemini-3.1-pro-preview"),
        ("mistral-small-latest", "mistral/mistral-small-latest"),
        ("aws/us.amazon.nova-lite-v1:0", "bedrock/us.amazon.nova-lite-v1:0"),
        ("hf/meta-llama/Llama-3.3-70B-Instruct", "huggingface/meta-llama/Llama-3.3-70B-Instruct"),
        ("cf/@cf/meta/llama-3.3-70b-instruct-fp8-fast", "cloudflare/llama-3.3-70b"),
        ("grok/grok-4.7", "xai/grok-4.7"),
        ("azure/claude-opus-5", "azure/claude-opus-5"),
        ("sandbox/echo", "sandbox/echo"),
    ],
)
def test_well_known_names(name: str, first: str):
    """Slugs, aliases, snapshots and the providers' own ids lead to the right place."""
    target = ALL.resolve(name)[0]
    assert (target.id, target.listed) == (first, True)


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("openai/gpt-5.4", "openai_responses"),
        ("azure/gpt-5.4", "openai_responses"),
        ("azure/claude-opus-5", "anthropic_messages"),
        ("azure/grok-4.7", "openai_chat"),
        ("vertex/claude-opus-5", "anthropic_vertex"),
        ("vertex/gemini-2.5-pro", "gemini"),
        ("vertex/llama-4-scout", "openai_chat"),
        ("bedrock/claude-opus-5", "bedrock_converse"),
        ("xai/grok-4.7", "openai_responses"),
        ("cohere/command-a", "cohere_chat"),
        ("mistral/mistral-large-4", "openai_chat"),
        ("huggingface/llama-3.3-70b", "openai_chat"),
    ],
)
def test_each_model_is_spoken_to_in_its_format(name: str, dialect: str):
    """The prefixes of the provider rows give every listed model its wire format."""
    assert ALL.resolve(name)[0].dialect == dialect


def test_a_lookup_does_not_scan():
    """Finding a model touches no list of models: the same objects come back every time."""
    assert ALL.resolve("gpt-5.4") is ALL.resolve("gpt-5.4")


def test_the_catalogue_is_broad():
    """At least 150 chat models, and something at each of the ten providers."""
    chat = [model for model in ALL.models.values() if model.offers[0].provider != "sandbox"]
    assert len(chat) >= 150
    ten = {"openai", "anthropic", "vertex", "bedrock", "azure", "xai", "cohere", "mistral", "cloudflare", "huggingface"}
    assert ten <= {offer.provider for model in chat for offer in model.offers}


def test_every_model_has_a_tier_that_says_what_it_rests_on():
    """The sandbox has the lowest: `auto` takes it only where nothing else is configured (tests/routing shows that)."""
    for model in ALL.models.values():
        assert model.tier is not None, model.id
        assert model.tier_basis, model.id
        assert model.author_name, model.id


def test_what_is_past_its_end_is_listed_but_not_chosen_from():
    """`o1` can be asked for while somebody has access; the pool of `auto` has only what is still promised."""
    pool = {model.id for model in ALL.pool}
    assert {"gpt-5.4", "claude-opus-4-6", "gemini-3.1-pro-preview"} <= pool
    assert not {"o1", "o3-mini", "o4-mini", "gpt-4.1-nano"} & pool


@pytest.mark.parametrize(
    ("name", "zdr"),
    [
        ("bedrock/claude-opus-4-6", True),
        ("bedrock/claude-fable-5-2", False),
        ("cloudflare/llama-3.3-70b", True),
        ("openai/gpt-5.4", False),
        ("sandbox/echo", True),
    ],
)
def test_zero_data_retention_is_claimed_only_where_a_page_says_so(name: str, zdr: bool):
    """The provider's row says it for all its offers, an offer may say otherwise."""
    assert ALL.resolve(name)[0].zdr is zdr


def test_a_profile_names_its_region():
    """Of Bedrock's inference profiles the router and the metrics know where they are served."""
    assert ALL.resolve("bedrock/llama-3.3-70b")[0].region == "us"
    assert ALL.resolve("bedrock/claude-opus-4-6")[0].region == "global"
