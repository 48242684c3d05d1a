"""What organisation, team, user and key settle, and what comes of it."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tenancy.settings import SETTINGS, SOURCES, Access, Settings, decided, locked_by, policy_source, resolve
from services.vocabulary.caller import AccessRule, CallerPolicy

names = st.sampled_from(["a", "b", "c", "*", "a*"])
accesses = st.builds(Access, allow=st.lists(names, max_size=2), deny=st.lists(names, max_size=2))
settings = st.builds(
    Settings,
    zdr=st.none() | st.booleans(),
    logging=st.none() | st.booleans(),
    store=st.none() | st.booleans(),
    on_disconnect=st.sampled_from([None, "cancel", "drain"]),
    drain_seconds=st.none() | st.integers(1, 600),
    byok=st.none() | st.booleans(),
    models=st.none() | accesses,
    providers=st.none() | accesses,
    locked=st.lists(st.sampled_from(SETTINGS), max_size=3, unique=True),
)
chains = st.tuples(*[settings] * 4).map(lambda four: list(zip(SOURCES, four, strict=True)))
SINGLE = [name for name in SETTINGS if name not in ("models", "providers")]


def passes(rules: list[AccessRule], model: str, provider: str) -> bool:
    """Whether every rule lets a model of a provider pass."""
    return all(
        (not allowed or any(fnmatch.fnmatchcase(name, each) for each in allowed))
        and not any(fnmatch.fnmatchcase(name, each) for each in denied)
        for rule in rules
        for name, allowed, denied in (
            (model, rule.allowed_models, rule.denied_models),
            (provider, rule.allowed_providers, rule.denied_providers),
        )
    )


def test_nothing_settled_is_the_default():
    """Everybody may use everything, nothing is logged, and nobody has decided."""
    for chain in ([], [("key", Settings())], [(source, Settings()) for source in SOURCES]):
        assert resolve(chain).policy == CallerPolicy()
        assert resolve(chain).byok


@given(chains, st.sampled_from(SINGLE))
def test_a_value_is_that_of_the_nearest_scope_up_to_the_first_lock(chain, name):
    """Said another way: of the scopes down to the first that locks it, the last that has a value."""
    heard = []
    for source, each in chain:
        heard.append((source, getattr(each, name)))
        if name in each.locked:
            break
    said = [(value, source) for source, value in heard if value is not None]
    value, decider = decided(name, chain)
    assert value == (said[-1][0] if said else None)
    if said:
        assert decider == said[-1][1]
    else:
        assert decider == (heard[-1][0] if locked_by(name, chain) else None)
    made = resolve(chain)
    default = {**{each: getattr(CallerPolicy(), each) for each in SINGLE if each != "byok"}, "byok": True}[name]
    assert getattr(made if name == "byok" else made.policy, name) == (default if value is None else value)
    assert made.policy.sources.get(name) == decider


@given(chains, settings, st.sampled_from(SINGLE))
def test_a_lock_holds_whatever_is_below(chain, other, name):
    """Once locked, no settings of lower scopes change the value or who decided."""
    for index, (_, each) in enumerate(chain):
        if name in each.locked:
            changed = [*chain[: index + 1], *[(source, other) for source, _ in chain[index + 1 :]]]
            assert decided(name, chain) == decided(name, changed)
            return


@given(chains, names, names)
def test_what_a_parent_locks_can_only_be_narrowed(chain, model, provider):
    """What passes at the key passes every locked list above it."""
    rules = resolve(chain).policy.access
    for index, (source, each) in enumerate(chain):
        for name in ("models", "providers"):
            if name in each.locked and getattr(each, name) is not None:
                own = resolve([*chain[:index], (source, Settings(**{name: getattr(each, name)}))]).policy.access
                own = [rule for rule in own if rule.source == source]
                if passes(rules, model, provider):
                    assert passes(own, model, provider)


@given(chains)
def test_without_locks_the_nearest_list_is_the_only_one(chain):
    """An override of a list that is not enforced replaces it."""
    free = [(source, Settings(models=each.models, providers=each.providers)) for source, each in chain]
    rules = resolve(free).policy.access
    assert len(rules) <= 2
    for rule in rules:
        field = "models" if rule.allowed_models or rule.denied_models else "providers"
        setters = [source for source, each in free if getattr(each, field) is not None]
        assert rule.source == setters[-1]


@pytest.mark.parametrize(
    ("chain", "source"),
    [
        ([], "key"),
        ([("key", Settings(zdr=True))], "key"),
        ([("org", Settings(zdr=True)), ("key", Settings(logging=True))], "org"),
        ([("org", Settings(zdr=True)), ("team", Settings(zdr=False))], "team"),
        ([("org", Settings(zdr=True, locked=["zdr"])), ("team", Settings(zdr=False))], "org"),
        ([("org", Settings(store=False)), ("user", Settings(logging=True))], "user"),
    ],
)
def test_policy_source_names_the_widest_scope_that_decided_on_privacy(chain, source):
    """`org`, `team`, `user` or `key`, by zdr and logging."""
    assert policy_source(resolve(chain).policy) == source
