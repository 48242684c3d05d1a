"""Which targets a call may go to, in which order, and why not the others."""

import pytest

from services.catalog.schema import Facts
from services.errors import InvalidRequest, ModelNotFound, NoZdrRoute
from services.routing.plan import stripped
from tests.responses.kit import call_of
from tests.routing.kit import NOW, Health, Prices, ids, planned, world

ANY = Facts()
THREE = {"m": {"a": ANY, "b": ANY, "c": ANY}}
IMAGE = [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.test/a.png"}]}]
SEALED = [
    {"role": "user", "content": "Hi"},
    {"type": "reasoning", "summary": [], "encrypted_content": "cn1.b.s..blob"},
    {"role": "user", "content": "More"},
]

ORDERS = [
    # routing, what is known, the order
    ({}, {}, ["a/m", "b/m", "c/m"]),
    ({"metric": "cost"}, {"prices": {"a": 3, "b": 1, "c": 2}}, ["b/m", "c/m", "a/m"]),
    ({"strategy": "max", "metric": "cost"}, {"prices": {"a": 3, "b": 1, "c": 2}}, ["a/m", "c/m", "b/m"]),
    ({"metric": "cost"}, {"prices": {"c": 2}}, ["c/m", "a/m", "b/m"]),
    ({"metric": "p95_latency"}, {"values": {"a": 3, "b": 1, "c": 2}}, ["b/m", "c/m", "a/m"]),
    ({"metric": "uptime"}, {"values": {"a": 0.9, "b": 1, "c": 0.95}}, ["b/m", "c/m", "a/m"]),
    ({"metric": "p95_latency"}, {"prices": {"a": 3, "b": 1, "c": 2}}, ["b/m", "c/m", "a/m"]),  # nothing measured
    ({"metric": "p95_latency"}, {"values": {"c": 9}, "prices": {"a": 3, "b": 1}}, ["c/m", "b/m", "a/m"]),
]


@pytest.mark.parametrize(("routing", "known", "order"), ORDERS, ids=lambda v: str(v)[:50])
def test_the_order_is_the_order_of_the_sort(routing, known, order):
    """Cost, live metrics with their direction, and the cheapest where nothing was measured."""
    metric = routing.get("metric", "")
    values = {(name, metric): value for name, value in known.get("values", {}).items()}
    snapshot = world(THREE, health=Health(values), prices=Prices(known.get("prices", {})))
    assert ids(snapshot, routing=routing) == order


def test_a_pin_is_asked_first_and_the_others_follow():
    """`provider/model` begins there; the model's other offers follow as the sort says, then the caller's fallbacks."""
    assert ids(world(THREE), model="b/m") == ["b/m", "a/m", "c/m"]
    dear = world({**THREE, "n": {"c": ANY}}, prices=Prices({"a": 3, "b": 2, "c": 1}))
    by_cost = {"provider": {"sort": "cost"}, "model": {"fallbacks": ["n"]}}
    assert ids(dear, model="a/m", routing=by_cost) == ["a/m", "c/m", "b/m", "c/n"]
    assert planned(dear, model="a/m", routing=by_cost).reason == "a/m asked for, sort=cost"
    assert ids(world(THREE, unlisted=True), model="b/new") == ["b/new"]


def test_a_pin_is_soft_and_the_list_of_providers_hard():
    """A pinned provider that rests or must not be asked is passed over; `only` never lets a call go elsewhere."""
    later = NOW.timestamp() + 5
    assert ids(world(THREE, health=Health(resting={"b": later})), model="b/m") == ["a/m", "c/m", "b/m"]
    assert ids(world(THREE), model="b/m", routing={"provider": {"ignore": ["b"]}}) == ["a/m", "c/m"]
    assert ids(world(THREE), model="b/m", routing={"provider": {"only": ["b"]}}) == ["b/m"]
    assert ids(world(THREE), model="b/m", routing={"provider": {"fallbacks": ["c", "b"]}}) == ["b/m", "c/m"]
    all_rest = Health(resting={"a": later, "b": later + 60, "c": later + 2})
    assert ids(world(THREE, health=all_rest), model="b/m") == ["a/m", "c/m", "b/m"]


def test_a_pin_outweighs_what_may_be_given_up_but_not_what_must_not():
    """Sampling goes rather than the provider the caller names; an image goes to who can see it."""
    offers = {"m": {"a": ANY, "b": Facts(temperature=False, images=False)}}
    made = planned(world(offers), model="b/m", temperature=0.5)
    assert [target.id for target in made.targets] == ["b/m", "a/m"]
    assert [loss.param for loss in made.losses] == ["temperature"]
    made = planned(world(offers), model="b/m", temperature=0.5, input=IMAGE)
    assert ([target.id for target in made.targets], made.losses) == (["a/m"], [])


def test_fallback_models_follow():
    """Backups come after all offers of the model asked for, each target once."""
    offers = {**THREE, "n": {"c": ANY}}
    assert ids(world(offers), routing={"model": {"fallbacks": ["n", "m"]}}) == ["a/m", "b/m", "c/m", "c/n"]
    with pytest.raises(ModelNotFound):
        planned(world(offers), routing={"model": {"fallbacks": ["unknown"]}})


EXCLUDED = [
    ({"provider": {"fallbacks": ["b"]}}, {}, ["b/m"], "NOT_ALLOWED"),
    ({"provider": {"only": ["b-ai", "c"]}}, {}, ["b/m", "c/m"], "NOT_ALLOWED"),
    ({"provider": {"ignore": ["a"]}}, {}, ["b/m", "c/m"], "NOT_ALLOWED"),
    ({"provider": {"zdr": True}}, {"zdr": frozenset("c")}, ["c/m"], "NOT_ZDR"),
    ({"provider": {"max_price": {"output": 2}}}, {"prices": Prices({"a": 3, "b": 2})}, ["b/m"], "TOO_EXPENSIVE"),
]


@pytest.mark.parametrize(("routing", "known", "order", "reason"), EXCLUDED, ids=lambda v: str(v)[:40])
def test_what_must_not_be_asked_is_excluded_with_its_reason(routing, known, order, reason):
    """Whitelist, ignore list, zero data retention, price and rest; each excluded target says why."""
    made = planned(world(THREE, **known), routing=routing)
    assert [target.id for target in made.targets] == order
    assert {each.reason for each in made.excluded} == {reason}
    assert {each.target for each in made.excluded} == {"a/m", "b/m", "c/m"} - set(order)


def test_wrong_wishes_are_refused_by_name():
    """A metric, an interval or a provider that does not exist is a 400 that lists the right ones, where it was written."""
    for routing, param, words in [
        ({"provider": {"sort": "latency"}}, "routing.provider.sort", "p50_latency"),
        ({"provider": {"sort": "cost", "interval": "5m"}}, "routing.provider.interval", "15 minutes"),
        ({"provider": {"only": ["nobody"]}}, "routing.provider.only", "a, b, c"),
        ({"provider": {"ignore": ["nobody"]}}, "routing.provider.ignore", "a, b, c"),
        ({"provider": {"fallbacks": ["nobody"]}}, "routing.provider.fallbacks", "a, b, c"),
        ({"metric": "latency"}, "routing.metric", "p50_latency"),
        ({"strategy": "min", "metric": "cost", "interval": "5m"}, "routing.interval", "15 minutes"),
    ]:
        with pytest.raises(InvalidRequest, match=words) as refused:
            planned(world(THREE), routing=routing)
        assert refused.value.param == param


def test_tools_images_and_files_are_never_given_up():
    """An offer that cannot take them is passed over; when none can, the call fails by name."""
    offers = {"m": {"a": Facts(images=False), "b": ANY}}
    assert ids(world(offers), input=IMAGE) == ["b/m"]
    with pytest.raises(InvalidRequest) as refused:
        planned(world({"m": {"a": Facts(images=False)}}), input=IMAGE)
    assert refused.value.param == "input[0].content[0]"


def test_less_important_features_are_given_up_in_order_and_reported():
    """Sampling goes before reasoning, reasoning before web search; an offer that has it all is preferred."""
    asked = {"temperature": 0.5, "reasoning": {"effort": "low"}, "tools": [{"type": "web_search"}]}
    poor = Facts(temperature=False, efforts=[], web_search=False)
    made = planned(world({"m": {"a": poor, "b": Facts(temperature=False)}}), **asked)
    assert [target.id for target in made.targets] == ["b/m"]
    assert [loss.param for loss in made.losses] == ["temperature"]
    made = planned(world({"m": {"a": poor}}), **asked)
    assert [loss.param for loss in made.losses] == ["temperature", "reasoning", "tools"]
    call = stripped(call_of(**asked), made.losses)
    assert (call.temperature, call.reasoning, call.tools, call.native) == (None, None, [], None)


def test_what_binds_a_call_comes_before_the_sort():
    """Reasoning goes back to the provider that sealed it; a prefix goes where it is warm."""
    snapshot = world(THREE, prices=Prices({"a": 1, "b": 2, "c": 3}), warm="c/m")
    cost = {"routing": {"metric": "cost"}}
    assert ids(snapshot, prompt_cache_key="k", **cost) == ["c/m", "a/m", "b/m"]
    assert ids(snapshot, **cost) == ["a/m", "b/m", "c/m"]
    assert ids(snapshot, input=SEALED, prompt_cache_key="k", **cost) == ["b/m", "c/m", "a/m"]


def test_who_rests_comes_last():
    """Those that failed are for when nobody else is left, the soonest to be asked first."""
    now = NOW.timestamp()
    health = Health(resting={"a": now + 9, "b": now + 3})
    made = planned(world(THREE, health=health))
    assert ([target.id for target in made.targets], made.excluded) == (["c/m", "b/m", "a/m"], [])


def test_when_all_rest_the_soonest_is_asked_first():
    """With every offer resting there is still a plan: failover waits, or says when to try again."""
    now = NOW.timestamp()
    health = Health(resting={"a": now + 9, "b": now + 3.5, "c": now + 60})
    assert ids(world(THREE, health=health)) == ["b/m", "a/m", "c/m"]


def test_no_zero_data_retention_is_an_error_of_its_own():
    """Zero data retention never falls back to an offer without it."""
    with pytest.raises(NoZdrRoute):
        planned(world(THREE), routing={"provider": {"zdr": True}})


POOL = {"small": {"a": ANY}, "middle": {"a": ANY, "b": ANY}, "best": {"b": ANY}}
TIERS = {"small": 2, "middle": 3, "best": 5}


def test_auto_matches_the_model_to_the_task():
    """A greeting does not get the best model, a hard task does not get a small one; tools and images are hard filters."""
    snapshot = world(POOL, tiers=TIERS, prices=Prices({"a": 1, "b": 10}))
    assert ids(snapshot, model="auto", input="Hello!")[0] in ("a/small", "a/middle")
    hard = {
        "input": "```python\n" + "def f(x): return x\n" * 400 + "```\nRefactor all of this.",
        "reasoning": {"effort": "high"},
        "tools": [{"type": "function", "name": "edit", "parameters": {"type": "object"}}],
    }
    assert ids(snapshot, model="auto", **hard)[0] == "b/best"
    cannot = {**POOL, "small": {"a": Facts(images=False)}, "middle": {"a": Facts(images=False)}}
    assert ids(world(cannot, tiers=TIERS), model="auto", input=IMAGE) == ["b/best"]


def test_auto_takes_the_sandbox_only_where_nothing_else_is():
    """With a real provider configured the sandbox never answers for `auto`."""
    tiers = {"sandbox/echo": 1, "best": 5}
    assert ids(world({"sandbox/echo": {"sandbox": ANY}}, tiers=tiers), model="auto") == ["sandbox/echo"]
    both = world({"sandbox/echo": {"sandbox": ANY}, "best": {"b": ANY}}, tiers=tiers)
    assert ids(both, model="auto") == ["b/best"]


def test_auto_is_the_same_for_the_same_snapshot_and_stays_where_it_is_warm():
    """Deterministic; and a conversation keeps its model."""
    snapshot = world(POOL, tiers=TIERS)
    assert ids(snapshot, model="auto") == ids(snapshot, model="auto")
    kept = world(POOL, tiers=TIERS, warm="a/middle")
    assert ids(kept, model="auto", prompt_cache_key="k")[0] == "a/middle"


def test_what_is_given_up_leaves_the_rest_of_the_clients_body_as_it_is():
    """So the native lane stays open, with the fields that nobody here knows."""
    asked = {"temperature": 0.5, "reasoning": {"effort": "low"}, "unknown": 1}
    made = planned(world({"m": {"a": Facts(temperature=False, efforts=[])}}), **asked)
    call = stripped(call_of(**asked), made.losses)
    assert set(call.native.fields) == {"model", "input", "unknown"}
