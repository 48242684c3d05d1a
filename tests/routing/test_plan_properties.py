"""What holds for every plan, whatever the world, the call and the caller."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from services.catalog.schema import Facts
from services.errors import InvalidRequest, ModelNotFound, NoZdrRoute, PermissionDenied
from services.ports import Plan
from services.routing.plan import plan
from services.routing.snapshot import Snapshot
from services.vocabulary.call import Call
from services.vocabulary.caller import AccessRule, CallerPolicy
from tests.responses.kit import call_of
from tests.routing.kit import NOW, Health, Prices, world

PROVIDERS = "abcde"
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}
IMAGE = {"type": "input_image", "image_url": "https://x.test/a.png"}
PDF = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}
SCHEMA = {"type": "json_schema", "name": "s", "schema": {"type": "object"}}
SORTS = ["cost", "performance", "uptime", "p95_latency", "avg_tokens_per_second"]

maybe = st.sampled_from([None, True, False])
providers = st.sampled_from(PROVIDERS)
facts = st.builds(
    Facts,
    images=maybe,
    pdfs=maybe,
    tools=maybe,
    json_schema=maybe,
    web_search=maybe,
    temperature=maybe,
    efforts=st.sampled_from([None, [], ["low"]]),
    max_output=st.sampled_from([None, 10, 1000]),
    context=st.sampled_from([None, 3, 100_000]),
)
some = st.lists(providers, max_size=3, unique=True)
routings = st.fixed_dictionaries(
    {},
    optional={"only": some, "ignore": some, "zdr": st.booleans(), "sort": st.sampled_from(SORTS)},
)
rules = st.builds(AccessRule, allowed_providers=some, denied_providers=some)
known = st.dictionaries(st.tuples(providers, st.sampled_from(SORTS)), st.floats(0.01, 9), max_size=12)


@st.composite
def worlds(draw: st.DrawFn) -> Snapshot:
    """One model at up to five providers, with what is known of them."""
    offers = draw(st.dictionaries(providers, facts, min_size=1))
    resting = draw(st.frozensets(providers))
    return world(
        {"m": offers, "other": dict.fromkeys(PROVIDERS, Facts())},  # so that all five are known
        zdr=draw(st.frozensets(providers)),
        health=Health(draw(known), dict.fromkeys(resting, NOW.timestamp() + 9)),
        prices=Prices(draw(st.dictionaries(providers, st.integers(1, 9)))),
        warm=draw(st.sampled_from([None, "a/m", "c/m"])),
    )


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """What clients ask for, in any combination."""
    parts = [{"type": "input_text", "text": draw(st.sampled_from(["Hi", "a b c d e f g h i j k l m n o p"]))}]
    parts += [part for part in (IMAGE, PDF) if draw(st.booleans())]
    body: dict[str, object] = {"model": "m", "input": [{"role": "user", "content": parts}]}
    options = {
        "max_output_tokens": 500,
        "temperature": 0.5,
        "reasoning": {"effort": "low"},
        "prompt_cache_key": "k",
        "text": {"format": SCHEMA},
    }
    body |= {name: value for name, value in options.items() if draw(st.booleans())}
    tools = [tool for tool in (FUNCTION, {"type": "web_search"}) if draw(st.booleans())]
    if tools:
        body["tools"] = tools
    if draw(st.booleans()):
        body["model"] = f"{draw(providers)}/m"
    return call_of(**body, routing={"provider": draw(routings)})


def planned(call: Call, snapshot: Snapshot, settled: CallerPolicy, *, explain: bool = False) -> Plan | None:
    """None: nothing is left, which is said with a 400, 403, 404 or 422."""
    try:
        return plan(call, snapshot, settled, explain=explain)
    except (InvalidRequest, ModelNotFound, NoZdrRoute, PermissionDenied):
        return None


@given(call=calls(), snapshot=worlds(), access=st.lists(rules, max_size=2), zdr=st.booleans())
def test_no_plan_breaks_a_rule(call: Call, snapshot: Snapshot, access: list[AccessRule], zdr: bool):
    """A candidate has every required feature, ZDR does not leak, lists and policies hold, and all are accounted for."""
    made = planned(call, snapshot, CallerPolicy(access=access, zdr=zdr))
    if made is None:
        return
    routing = call.routing
    assert made.targets
    rests = [snapshot.health.open_until(target) is not None for target in made.targets]
    assert rests == sorted(rests), "who rests comes last"
    assert made.reason.startswith("every offer rests") == all(rests)
    for target in made.targets:
        name = target.provider.id
        if zdr or (routing and routing.zdr):
            assert target.zdr
        if routing:
            assert not routing.only or name in routing.only
            assert name not in routing.ignore
        for rule in access:
            assert not rule.allowed_providers or name in rule.allowed_providers
            assert name not in rule.denied_providers
        assert_able(target.facts, call, {loss.param for loss in made.losses})
    told = {target.id for target in made.targets} | {each.target for each in made.excluded}
    assert told == {target.id for target in snapshot.catalog.resolve("m")}


def assert_able(facts: Facts, call: Call, given_up: set[str]) -> None:
    """No fact says that the model lacks what the call needs and still has."""
    parts = [part for item in call.items for part in item.content]  # type: ignore[union-attr]
    kinds = {type(part).__name__ for part in parts}
    tools = {type(tool).__name__ for tool in call.tools}
    assert facts.images is not False or "Image" not in kinds
    assert facts.pdfs is not False or "File" not in kinds
    assert facts.tools is not False or "FunctionTool" not in tools
    assert facts.tools is not False or facts.json_schema is not False or call.format is None
    assert facts.max_output is None or (call.max_output_tokens or 0) <= facts.max_output
    assert facts.context != 3 or "Hi" in [getattr(part, "text", "") for part in parts]
    assert facts.web_search is not False or "WebSearchTool" not in tools or "tools" in given_up
    assert facts.temperature is not False or call.temperature is None or "temperature" in given_up
    assert facts.efforts != [] or call.reasoning is None or "reasoning" in given_up


@given(call=calls(), snapshot=worlds())
def test_the_order_is_the_sorts_order(call: Call, snapshot: Snapshot):
    """After what the call is bound to: by the metric, unknown ones last and the cheapest of them first; as explained."""
    made = planned(call, snapshot, CallerPolicy(), explain=True)
    if made is None or made.reason.startswith("every offer rests"):
        return
    assert made.explanation is not None
    up = [each for each in made.explanation.candidates if not each.resting]
    free = [each for each in up if not each.preferred]
    bound = [each.preferred for each in up if each.preferred]
    assert up[len(bound) :] == free
    assert bound == sorted(bound, key=["asked for", "sealed the reasoning", "prompt is cached"].index)
    sort = call.routing.sort if call.routing is not None and call.routing.sort else "performance"
    if sort == "performance":
        row = [target.id for target in snapshot.catalog.resolve("m")]
        assert [each.target for each in free] == [name for name in row if name in {each.target for each in free}]
        return
    best = 1 if sort in ("cost", "p95_latency") else -1
    keys = [
        (True, inf if each.predicted_cost is None else each.predicted_cost)
        if each.score.sort is None
        else (False, best * each.score.sort)
        for each in free
    ]
    assert keys == sorted(keys)


@given(call=calls(), snapshot=worlds(), access=st.lists(rules, max_size=1))
def test_explaining_a_route_and_taking_it_agree(call: Call, snapshot: Snapshot, access: list[AccessRule]):
    """The same targets in the same order, the same losses, the same ones left out; or the same refusal."""
    settled = CallerPolicy(access=access)
    taken, explained = planned(call, snapshot, settled), planned(call, snapshot, settled, explain=True)
    if taken is None or explained is None:
        assert taken is explained
        return
    assert explained.explanation is not None
    assert [each.target for each in explained.explanation.candidates] == [target.id for target in taken.targets]
    assert (explained.targets, explained.excluded, explained.losses, explained.reason) == (
        taken.targets, taken.excluded, taken.losses, taken.reason,
    )  # fmt: skip
    assert taken.explanation is None
