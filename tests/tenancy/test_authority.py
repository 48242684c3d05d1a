"""Who may do what: scopes, roles, and what nobody can get by making keys."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import NotFound, PermissionDenied
from services.tenancy.authority import (
    ADMIN,
    AREAS,
    COMMAND_LINE,
    OPERATOR,
    ROLES,
    SCOPES,
    Actor,
    Area,
    Owned,
    Verb,
    may,
    require,
    require_key_scopes,
)

scopes = st.frozensets(st.sampled_from(SCOPES), max_size=4)
teams = st.sampled_from(["", "team_1", "team_2"])
users = st.sampled_from(["", "user_1", "user_2"])
actors = st.builds(
    Actor,
    name=st.just("key_1"),
    org_id=st.just("org_1"),
    team_id=teams,
    user_id=users,
    scopes=scopes,
    role=st.sampled_from([None, *ROLES]),
    team_roles=st.dictionaries(st.sampled_from(["team_1", "team_2"]), st.sampled_from(ROLES)),
)
owners = st.builds(Owned, st.sampled_from(["org_1", "org_2"]), teams, users)
areas: st.SearchStrategy[Area] = st.sampled_from(AREAS)
verbs: st.SearchStrategy[Verb] = st.sampled_from(["read", "write"])


def actor(role: Any = None, *, user: str = "user_1", given: tuple[str, ...] = (ADMIN,), **more: Any) -> Actor:
    return Actor(name="key_1", org_id="org_1", user_id=user, scopes=frozenset(given), role=role, **more)


@given(actors, verbs, areas, owners)
def test_nobody_but_operators_reaches_another_organisation(who: Actor, verb: Verb, area: Area, owned: Owned):
    """And what is there is not found, rather than forbidden."""
    if owned.org_id == who.org_id or who.is_operator:
        return
    with pytest.raises(NotFound):
        require(who, verb, area, owned)


@given(actors, areas, owners)
def test_who_may_write_may_read(who: Actor, area: Area, owned: Owned):
    """In every area."""
    assert not may(who, "write", area, owned) or may(who, "read", area, owned)


@given(actors, verbs, areas, owners, scopes)
def test_no_key_can_be_made_that_can_do_more(who: Actor, verb: Verb, area: Area, owned: Owned, wanted: frozenset[str]):
    """A key for oneself, made by a key, does nothing that its maker could not: roles being the same, its scopes are theirs."""
    mine = Owned(who.org_id, who.team_id, who.user_id)
    try:
        require_key_scopes(who, wanted, mine)
    except PermissionDenied:
        return
    made = Actor(
        name="key_2",
        org_id=who.org_id,
        team_id=who.team_id,
        user_id=who.user_id,
        scopes=wanted,
        role=who.role,
        team_roles=who.team_roles,
    )
    plain = area in ("usage", "credits") and verb == "read"  # what any key of the same person may be for
    assert plain or not may(made, verb, area, owned) or may(who, verb, area, owned)


@given(actors, scopes)
def test_only_operators_make_operators(who: Actor, wanted: frozenset[str]):
    """Whatever else the key is for."""
    if who.is_operator:
        return
    with pytest.raises(PermissionDenied):
        require_key_scopes(who, wanted | {OPERATOR}, Owned("org_1", user_id=who.user_id))


@pytest.mark.parametrize(
    ("role", "verb", "area", "allowed"),
    [
        ("owner", "write", "organization", True),
        ("admin", "write", "organization", False),
        ("admin", "write", "keys", True),
        ("admin", "write", "members", True),
        ("admin", "read", "credits", True),
        ("admin", "write", "credits", False),
        ("billing", "read", "usage", True),
        ("billing", "read", "credits", True),
        ("billing", "write", "limits", True),
        ("billing", "write", "keys", False),
        ("billing", "read", "audit", False),
        ("member", "read", "teams", True),
        ("member", "read", "keys", False),
        ("member", "read", "usage", False),
        ("member", "write", "settings", False),
        (None, "read", "teams", False),
    ],
)
def test_roles_in_the_whole_organisation(role: Any, verb: Verb, area: Area, allowed: bool):
    """The table of the documentation."""
    assert may(actor(role), verb, area, Owned("org_1", user_id="user_2")) is allowed
    assert may(COMMAND_LINE, verb, area, Owned("org_1"))


def test_a_role_in_a_team_is_for_the_team():
    """Its keys and members, not those of another team, and not the organisation's."""
    lead = actor("member", team_roles={"team_1": "admin"})
    assert may(lead, "write", "keys", Owned("org_1", "team_1"))
    assert may(lead, "write", "members", Owned("org_1", "team_1"))
    assert not may(lead, "write", "keys", Owned("org_1", "team_2"))
    assert not may(lead, "write", "keys", Owned("org_1"))
    assert not may(lead, "write", "keys", Owned("org_1", "team_2", "user_2"))


def test_a_key_without_a_user_stands_for_its_organisation_or_team():
    """As far as its scopes go."""
    org, team = actor(user="", given=("keys:write",)), actor(user="", given=(ADMIN,), team_id="team_1")
    assert may(org, "write", "keys", Owned("org_1", "team_1"))
    assert not may(org, "read", "audit", Owned("org_1"))
    assert may(team, "write", "keys", Owned("org_1", "team_1"))
    assert not may(team, "write", "keys", Owned("org_1", "team_2"))
    assert not may(team, "read", "credits", Owned("org_1"))
    with pytest.raises(PermissionDenied):
        require_key_scopes(team, frozenset({ADMIN}), Owned("org_1"))
