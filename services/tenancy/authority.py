"""Who may do what: a pure function of a key's scopes, its user's roles and whose the thing is.

A key does what its scopes name, and no more than the role of its user grants. A key without a user stands for its whole
organisation, or its whole team. `operator` is for whoever runs the gateway: everything, everywhere.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from services.errors import NotFound, PermissionDenied
from services.vocabulary.caller import INFERENCE

Role = Literal["owner", "admin", "member", "billing"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

Verb = Literal["read", "write"]
Area = Literal[
    "organization", "teams", "members", "keys", "settings", "limits", "credits", "byok", "usage", "audit"
]  # fmt: skip
AREAS: Final[tuple[Area, ...]] = get_args(Area)

ADMIN: Final = "admin"
OPERATOR: Final = "operator"
PLAIN_SCOPES: Final = frozenset({INFERENCE, "usage:read", "credits:read"})
"""What a key may be for without power over anything."""

SCOPES: Final = (INFERENCE, ADMIN, OPERATOR, *(f"{area}:{verb}" for area in AREAS for verb in get_args(Verb)))

_ALL: Final[Mapping[Area, Verb]] = dict.fromkeys(AREAS, "write")
_GRANTS: Final[Mapping[Role, Mapping[Area, Verb]]] = {
    "owner": _ALL,
    "admin": {
        **dict.fromkeys(("teams", "members", "keys", "settings", "limits", "byok"), "write"),
        **dict.fromkeys(("organization", "credits", "usage", "audit"), "read"),
    },
    "billing": {
        "limits": "write",
        **dict.fromkeys(("organization", "teams", "members", "keys", "settings", "credits", "usage"), "read"),
    },
    "member": dict.fromkeys(("organization", "teams", "members", "settings"), "read"),
}
"""In the whole organisation, or, for a role in a team, for what is the team's."""

_OWN: Final[Mapping[Area, Verb]] = {
    "keys": "write",
    "settings": "write",
    "byok": "write",
    "limits": "read",
    "usage": "read",
    "members": "read",
}
"""For what is the user's own."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. name: as the audit shows it (`key_…`, `cli`). role: of the user in the organisation; team_roles: by team."""

    name: str
    org_id: str = ""
    team_id: str = ""
    user_id: str = ""
    scopes: frozenset[str] = frozenset()
    role: Role | None = None
    team_roles: Mapping[str, Role] = {}

    @property
    def is_operator(self) -> bool:
        """Whether it is whoever runs the gateway."""
        return OPERATOR in self.scopes


class Owned(msgspec.Struct, frozen=True):
    """Whose a thing is. No team and no user: the whole organisation's."""

    org_id: str
    team_id: str = ""
    user_id: str = ""


COMMAND_LINE: Final = Actor(name="cli", scopes=frozenset({OPERATOR}))
"""Who has the machine's command line, which reads and writes the database itself."""


def require(actor: Actor, verb: Verb, area: Area, owned: Owned) -> None:
    """Raises `NotFound` for what is another organisation's, `PermissionDenied` for what scope or role do not allow."""
    if actor.is_operator:
        return
    if owned.org_id != actor.org_id:
        raise NotFound("There is nothing with this id here.")
    require_scope(actor, verb, area)
    if not _granted(actor, verb, area, owned):
        raise PermissionDenied(f"Your role does not allow to {verb} this ({area}).")


def require_scope(actor: Actor, verb: Verb, area: Area) -> None:
    """Raises `PermissionDenied` when the key is not for this."""
    wanted = {ADMIN, OPERATOR, f"{area}:write", f"{area}:{verb}"}
    if not wanted & actor.scopes:
        raise PermissionDenied(f"This key lacks the scope `{area}:{verb}`.")


def require_operator(actor: Actor) -> None:
    """Raises `PermissionDenied` for everybody else."""
    if not actor.is_operator:
        raise PermissionDenied(f"This key lacks the scope `{OPERATOR}`.")


def may(actor: Actor, verb: Verb, area: Area, owned: Owned) -> bool:
    """Whether `require` lets it pass."""
    try:
        require(actor, verb, area, owned)
    except (NotFound, PermissionDenied):
        return False
    return True


def require_role(actor: Actor, role: Role | None, owned: Owned) -> None:
    """Who may give a role, or take it away: only owners make and unmake owners. Raises `PermissionDenied`."""
    if role == "owner" and not (actor.is_operator or _is_owner(actor, owned)):
        raise PermissionDenied("Only an owner can make or unmake an owner.")


def require_key_scopes(actor: Actor, scopes: frozenset[str], owned: Owned) -> None:
    """Who may make a key for these scopes: nobody makes a key that can do more than they. Raises `PermissionDenied`."""
    if actor.is_operator:
        return
    if OPERATOR in scopes:
        raise PermissionDenied(f"Only a key with the scope `{OPERATOR}` can make another.")
    powers = scopes - PLAIN_SCOPES
    held = actor.scopes | {scope.replace(":write", ":read") for scope in actor.scopes}
    if powers and ADMIN not in actor.scopes and not powers <= held:
        lacking = ", ".join(f"`{scope}`" for scope in sorted(powers - held))
        raise PermissionDenied(f"This key cannot make one with scopes it lacks: {lacking}.")
    own = owned.user_id != "" and owned.user_id == actor.user_id
    if powers and not own and not _is_owner(actor, owned):
        raise PermissionDenied("Only an owner can make a key with power over others' things for somebody else.")


def _is_owner(actor: Actor, owned: Owned) -> bool:
    if actor.org_id != owned.org_id:
        return False
    if not actor.user_id:
        return actor.team_id in ("", owned.team_id)
    return actor.role == "owner"


def _granted(actor: Actor, verb: Verb, area: Area, owned: Owned) -> bool:
    if not actor.user_id:  # a key of the organisation or of a team, as far as its scopes go
        return not actor.team_id or actor.team_id == owned.team_id or (verb == "read" and area == "organization")
    if _holds(_GRANTS.get(actor.role, {}) if actor.role else {}, verb, area):
        return True
    if owned.user_id == actor.user_id and _holds(_OWN, verb, area):
        return True
    role = actor.team_roles.get(owned.team_id) if owned.team_id else None
    return role is not None and _holds(_GRANTS[role], verb, area)


def _holds(grants: Mapping[Area, Verb], verb: Verb, area: Area) -> bool:
    return grants.get(area) in (verb, "write")
