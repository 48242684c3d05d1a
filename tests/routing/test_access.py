"""What organisations, teams and keys may use, as the planner keeps to it."""

import pytest

from services.catalog.schema import Facts
from services.errors import ModelNotFound, NoZdrRoute, PermissionDenied
from services.routing.plan import plan
from services.vocabulary.caller import AccessRule, CallerPolicy, OwnCredential
from tests.responses.kit import call_of
from tests.routing.kit import Prices, world

ANY = Facts()
WORLD = world({"m": dict.fromkeys("abc", ANY), "n": {"c": ANY}}, unlisted=True, zdr=frozenset("b"))


def ids(*rules: AccessRule, snapshot=WORLD, zdr: bool = False, own: str = "", **body) -> list[str]:
    settled = CallerPolicy(access=list(rules), zdr=zdr, byok=[OwnCredential(f"byok_{each}", each) for each in own])
    return [target.id for target in plan(call_of(**{"model": "m", **body}), snapshot, settled).targets]


ALLOWED = [
    # a rule, what may be asked for `m`
    (AccessRule(), ["a/m", "b/m", "c/m"]),
    (AccessRule(allowed_models=["m"]), ["a/m", "b/m", "c/m"]),
    (AccessRule(allowed_models=["*"]), ["a/m", "b/m", "c/m"]),
    (AccessRule(allowed_models=["b/m", "other"]), ["b/m"]),
    (AccessRule(allowed_models=["b-ai/m"]), ["b/m"]),
    (AccessRule(allowed_models=["b/*", "x*"]), ["b/m"]),
    (AccessRule(denied_models=["a/*"]), ["b/m", "c/m"]),
    (AccessRule(allowed_models=["m"], denied_models=["c/m"]), ["a/m", "b/m"]),
    (AccessRule(allowed_providers=["a", "c-ai"]), ["a/m", "c/m"]),
    (AccessRule(denied_providers=["a*"]), ["b/m", "c/m"]),
    (AccessRule(allowed_providers=["a", "b"], denied_providers=["a"]), ["b/m"]),
    (AccessRule(allowed_models=["m."], denied_models=["[m]"]), None),
    (AccessRule(allowed_models=["n"]), None),
    (AccessRule(denied_models=["m"]), None),
    (AccessRule(denied_providers=["*"]), None),
    (AccessRule(allowed_providers=["nobody"]), None),
]


@pytest.mark.parametrize(("rule", "may"), ALLOWED, ids=str)
def test_a_rule_names_models_and_providers(rule, may):
    """By slug, alias, `provider/slug` and pattern; what is denied is denied anyway; nothing left is a 403."""
    if may is not None:
        assert ids(rule) == may
        return
    with pytest.raises(PermissionDenied) as refused:
        ids(rule)
    assert refused.value.http == 403


def test_all_rules_must_let_a_target_pass():
    """The team's list is inside the organisation's; the error says whose rule it was."""
    org = AccessRule(allowed_providers=["a", "b"], source="org")
    team = AccessRule(denied_models=["a/m"], source="team")
    assert ids(org, team) == ["b/m"]
    with pytest.raises(PermissionDenied, match="the policy of the team does not allow the model"):
        ids(org, team, model="a/m", routing={"provider": {"only": ["a"]}})


def test_rules_hold_for_pins_fallbacks_unlisted_models_and_auto():
    """Naming a model in another way is no way around."""
    rule = AccessRule(denied_providers=["c"])
    assert ids(rule, model="c/m") == ["a/m", "b/m"]
    assert ids(rule, routing={"model": {"fallbacks": ["n"]}}) == ["a/m", "b/m"]
    for model in ("n", "c/n", "c/brand-new"):
        with pytest.raises(PermissionDenied):
            ids(rule, model=model)
    pool = world({"m": {"c": ANY}, "n": {"a": ANY}}, tiers={"m": 2, "n": 5})
    assert ids(rule, model="auto", snapshot=pool) == ["a/n"]
    with pytest.raises(ModelNotFound):
        ids(rule, model="unknown")


def test_what_is_settled_for_a_caller_adds_to_what_the_request_wants():
    """Zero data retention by policy; providers with credentials of the caller's own before others that are equal, and twice."""
    assert ids(zdr=True) == ["b/m"]
    with pytest.raises(NoZdrRoute):
        ids(zdr=True, model="n")
    assert ids(own="c") == ["c/m", "c/m", "a/m", "b/m"]
    dear = world({"m": dict.fromkeys("abc", ANY)}, prices=Prices({"a": 3, "b": 1, "c": 1}))
    assert ids(own="c", snapshot=dear, routing={"provider": {"sort": "cost"}}) == ["c/m", "c/m", "b/m", "a/m"]
    assert ids(own="a", snapshot=dear, routing={"provider": {"sort": "cost"}}) == ["b/m", "c/m", "a/m", "a/m"]
