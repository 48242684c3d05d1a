"""Organisations, teams, users and memberships as they are kept. Times are seconds since 1970."""

import secrets
from typing import Final, Literal

import msgspec

from services.tenancy.authority import Role
from services.tenancy.settings import NONE, Settings
from services.vocabulary.limits import Limits

NO_LIMITS: Final = Limits()


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays. personal: somebody's own account, an organisation of one."""

    id: str
    name: str
    personal: bool = False
    settings: Settings = NONE
    limits: Limits = NO_LIMITS
    created_at: int = 0


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an organisation."""

    id: str
    org_id: str
    name: str
    settings: Settings = NONE
    limits: Limits = NO_LIMITS
    created_at: int = 0


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person in one organisation; who is in two is two users. role: in the whole organisation."""

    id: str
    org_id: str
    name: str
    email: str = ""
    role: Role = "member"
    settings: Settings = NONE
    limits: Limits = NO_LIMITS
    created_at: int = 0


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A user's place in a team. role: in what is the team's."""

    team_id: str
    user_id: str
    role: Role = "member"


def new_id(kind: Literal["org", "team", "user", "key", "byok"]) -> str:
    """A fresh public id."""
    return f"{kind}_{secrets.token_hex(8)}"
