"""Names, offers and the errors of wrong rows."""

from pathlib import Path

import pytest

from services.catalog.catalog import Catalog, dialect_of, load
from services.catalog.reading import CatalogError, Rows, read
from services.catalog.schema import Auth, Facts, Model, Offer, PriceRow, Provider, Rates
from services.errors import InvalidRequest, ModelNotFound

ONE = Provider(
    "one", "One", "openai_chat", "https://one.example", aliases=["uno"], dialects={"Claude-": "x", "cl": "y"}
)
TWO = Provider("two", "Two", "gemini", "https://two.example")


def catalog(*models: Model, providers: tuple[Provider, ...] = (ONE, TWO)) -> Catalog:
    return Catalog(Rows(list(providers), list(models)))


def model(id: str = "m", **fields: object) -> Model:
    row = {"author": "a", "created": "2026-01-31", "offers": [Offer("two", upstream="m-002"), Offer("one")]}
    return Model(id, **{**row, **fields})  # type: ignore[arg-type]


def test_a_bare_slug_or_alias_names_all_offers_in_the_order_of_the_row():
    """A bare slug gives every offer, first choice first."""
    targets = catalog(model(aliases=["m-latest"])).resolve("m-latest")
    assert [(target.id, target.upstream) for target in targets] == [("two/m", "m-002"), ("one/m", "m")]


@pytest.mark.parametrize("name", ["one/m", "uno/m", "one/m-latest"])
def test_provider_and_model_name_one_offer(name: str):
    """Provider aliases and model aliases work in `provider/model`."""
    (target,) = catalog(model(aliases=["m-latest"])).resolve(name)
    assert (target.id, target.upstream, target.listed) == ("one/m", "m", True)


def test_the_providers_own_id_is_the_listed_model():
    """`provider/<upstream id>` finds the row, so price and facts are known."""
    (target,) = catalog(model()).resolve("two/m-002")
    assert (target.id, target.listed) == ("two/m", True)


def test_a_snapshot_is_served_exactly():
    """Who asks for a dated id gets that one, only where it exists."""
    offers = [Offer("two"), Offer("one", snapshots=["m-2026-01-31"])]
    known = catalog(model(offers=offers))
    for name in ("m-2026-01-31", "one/m-2026-01-31"):
        (target,) = known.resolve(name)
        assert (target.id, target.upstream) == ("one/m-2026-01-31", "m-2026-01-31")


def test_what_else_serves_a_model_is_known_for_every_name():
    """By slug, by the provider's own id, and for a dated snapshot only who has that; nobody else has an unlisted id."""
    offers = [Offer("two", upstream="m-002"), Offer("one", snapshots=["m-2026-01-31"])]
    known = catalog(model(offers=offers))
    for name, all in [
        ("one/m", ["two/m", "one/m"]),
        ("two/m-002", ["two/m", "one/m"]),
        ("one/m-2026-01-31", ["one/m-2026-01-31"]),
        ("two/new", ["two/new"]),
    ]:
        (target,) = known.resolve(name, unlisted=True)
        assert [each.id for each in known.alternatives(target)] == all


def test_a_slug_may_begin_with_its_provider():
    """`sandbox/echo` is a slug whose answers are not named `sandbox/sandbox/echo`."""
    known = catalog(model("one/m", offers=[Offer("one", upstream="up")]))
    for name in ("one/m", "uno/m", "one/up"):
        assert [target.id for target in known.resolve(name)] == ["one/m"]


def test_facts_of_an_offer_replace_single_facts():
    """An offer changes the facts it names and keeps the others."""
    offer = Offer("one", facts=Facts(context=5))
    (target,) = catalog(model(facts=Facts(context=9, max_output=2), offers=[offer])).resolve("m")
    assert target.facts == Facts(context=5, max_output=2)


def test_an_unknown_model_suggests_the_nearest():
    """The 404 names what is close, of the provider that was asked."""
    known = catalog(*(model(id, offers=[Offer("one")]) for id in ("gpt-5.4", "gpt-5.4-mini")))
    with pytest.raises(ModelNotFound, match=r"`gpt-5\.4`.*or `gpt-5\.4-mini`") as error:
        known.resolve("gpt-5.3")
    assert error.value.param == "model"
    with pytest.raises(ModelNotFound, match=r"Did you mean `one/gpt-5\.4-mini`"):
        known.resolve("one/gpt-5-mini")


@pytest.mark.parametrize("name", ["", "/", "one/", "x" * 1_000_000, "no/such/model", "GET /"])
def test_any_other_text_is_an_unknown_model(name: str):
    """Whatever is sent as a model id, the answer is a short 404."""
    with pytest.raises(ModelNotFound) as error:
        catalog(model()).resolve(name)
    assert len(error.value.message) < 300


def test_unlisted_models_go_through_where_allowed():
    """With unlisted models allowed, any id of a provider is a target without price or facts."""
    known = catalog(model())
    (target,) = known.resolve("uno/org/New-1:fast", unlisted=True)
    assert (target.id, target.upstream, target.listed) == ("one/org/New-1:fast", "org/New-1:fast", False)
    with pytest.raises(ModelNotFound):
        known.resolve("bare-name", unlisted=True)
    (target,) = catalog(providers=(Provider("own", "", "d", "http://own", unlisted=True),)).resolve("own/x")
    assert not target.listed


@pytest.mark.parametrize("id", ["../../keys", "a?b=c", "a#b", "a b", "%2e", "a\n", "x" * 600, "é"])
def test_an_unlisted_id_cannot_leave_its_place_in_a_url(id: str):
    """Ids that would change the URL they are put into are refused by name."""
    with pytest.raises(InvalidRequest, match="cannot be a model id"):
        catalog().resolve(f"one/{id}", unlisted=True)


def test_the_longest_prefix_names_the_dialect():
    """Prefixes are compared in any case, and the longest one wins."""
    assert [dialect_of(ONE, id) for id in ("claude-3", "CLx", "gpt")] == ["x", "y", "openai_chat"]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([model(offers=[Offer("three")])], "model m: unknown provider `three`"),
        ([model(), model("n", aliases=["m"])], "model n: `m` is a name of model m too"),
        ([model(aliases=["x"]), model("n", aliases=["x"])], "model n: `x` is a name of model m too"),
        ([model(created="January")], "model m: created: `January` is not a date"),
        ([model(offers=[Offer("one"), Offer("one")])], "model m: one/m is offered twice"),
        ([model(offers=[Offer("one", snapshots=["m"])])], "snapshot `m` is a name of m too"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(models: list[Model], message: str):
    """Each error names the row and what is wrong with it."""
    with pytest.raises(CatalogError) as error:
        catalog(*models)
    assert message in str(error.value)


def test_two_providers_cannot_share_a_name():
    """Aliases of providers are unique."""
    with pytest.raises(CatalogError, match="provider two: `uno` is a name of provider one too"):
        catalog(providers=(ONE, Provider("two", "", "d", "", aliases=["uno"])))


def test_a_price_needs_a_real_date():
    """A price row's `since` is checked when the catalogue is loaded."""
    rows = Rows([ONE], [], [PriceRow("one", "m", Rates(), since="soon")])
    with pytest.raises(CatalogError, match="price of one/m: since"):
        Catalog(rows)


def test_our_own_rows_are_valid():
    """The shipped catalogue loads, and every one of its models is offered by someone."""
    known = load()
    assert set(known.providers) >= {
        *("anthropic", "azure", "bedrock", "cloudflare", "cohere", "gemini", "huggingface"),
        *("mistral", "openai", "sandbox", "vertex", "xai"),
    }
    assert all(model.offers for model in known.models.values())
    assert known.resolve("sandbox/echo")[0].id == "sandbox/echo"


def test_what_the_gateway_cannot_speak_is_not_offered():
    """A provider or offer whose wire format is missing from this build is left out, not served with an error."""
    whole = catalog(model(), model("n", offers=[Offer("one", dialect="cohere_chat")]))
    keyless = {
        name: Provider(name, "", dialect, "http://x", auth=Auth("none"))
        for name, dialect in (("one", "openai_chat"), ("two", "gemini"))
    }
    whole = Catalog(Rows(list(keyless.values()), list(whole.models.values())))
    known = whole.configured({}, dialects={"openai_chat"})
    assert set(known.providers) == {"one"}
    assert [target.id for target in known.resolve("m")] == ["one/m"]
    assert "n" not in known.models


class TestConfig:
    """The operator's own file."""

    def write(self, folder: Path, text: str) -> Path:
        (folder / "own.yaml").write_text(text)
        return folder / "own.yaml"

    def test_a_new_provider_is_one_row(self, tmp_path: Path):
        """A row without any Python adds a provider that speaks a known format."""
        path = self.write(
            tmp_path,
            """
            providers:
              - {id: vllm, name: vLLM, dialect: openai_chat, base_url: "http://gpu:8000/v1", auth: {scheme: none}, prices: free}
            models:
              - {id: my-model, offers: [{provider: vllm, upstream: org/my-model}]}
            prices:
              - {provider: openai, model: "gpt-*", rates: {input: 0.1, output: 2}, since: 2026-11-01}
            """,
        )
        known = load(path).configured({})
        (target,) = known.resolve("my-model")
        assert (target.id, target.upstream, target.base_url) == ("vllm/my-model", "org/my-model", "http://gpu:8000/v1")
        assert known.models["my-model"].author == "custom"
        assert str(known.prices[-1].rates.input) == "0.1"

    def test_a_row_of_ours_can_be_changed_in_part(self, tmp_path: Path):
        """The fields a row gives replace ours; the others stay."""
        known = load(self.write(tmp_path, "providers: [{id: openai, base_url: 'https://proxy.example/v1'}]"))
        assert known.providers["openai"].base_url == "https://proxy.example/v1"
        assert known.providers["openai"].dialect == "openai_responses"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("providers: 1", "`providers` must be a list of rows"),
            ("providers: [{name: x}]", "has no `id`"),
            ("providers: [{id: x}]", "provider x: Object missing required field `name`"),
            ("providers: [{id: openai, colour: red}]", "provider openai: Object contains unknown field `colour`"),
            (
                "providers: [{id: openai, dialect: telepathy}]",
                "provider openai: unknown dialect `telepathy`; there are anthr",
            ),
            ("models: [{id: x, offers: [{provider: openai, dialect: morse}]}]", "model x: unknown dialect `morse`"),
            ("models: [{id: x, created: 5, offers: []}]", "model x: Expected `str`, got `int` - at `$.created`"),
            ("models: [{id: x, offers: []}, {id: x, offers: []}]", "`x` is there twice"),
            ("- 1", "must be a mapping"),
            ("a: [", "not YAML"),
            ("keys: []", "unknown key `keys`"),
        ],
    )
    def test_mistakes_are_named(self, tmp_path: Path, text: str, message: str):
        """Each mistake in the file gives an error that says where it is."""
        with pytest.raises(CatalogError) as error:
            read(self.write(tmp_path, text))
        assert message in str(error.value)

    def test_a_missing_file_is_named(self, tmp_path: Path):
        """A path that does not exist is an error, not an empty catalogue."""
        with pytest.raises(CatalogError, match="No such file"):
            read(tmp_path / "none.yaml")
