"""Who is calling, and what their organisation, team and key have settled for them, as far as other rooms need to know."""

from typing import Final, Literal

import msgspec

INFERENCE = "inference"
"""The scope that calls to models need."""

DEFAULT_ORG: Final = "org_default"
"""The organisation of a gateway that knows no other: of its first key, and of keys made without naming one."""

PolicySource = Literal["org", "team", "user", "key"]


class AccessRule(msgspec.Struct, frozen=True, kw_only=True):
    """Which models and providers may be used. An empty list of allowed ones allows all; what is denied is denied anyway.

    Models are named by slug, alias or `provider/slug`; providers by slug or alias. `*` stands for any text.
    source: who made the rule; empty when nobody said.
    """

    allowed_models: list[str] = []
    denied_models: list[str] = []
    allowed_providers: list[str] = []
    denied_providers: list[str] = []
    source: str = ""


class OwnCredential(msgspec.Struct, frozen=True):
    """A provider credential of the caller's organisation, team or user (BYOK): its public id, and whose provider it is for."""

    id: str
    provider: str


class CallerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for this caller's calls: settings of organisation, team, user and key, resolved.

    zdr: only offers with zero data retention. logging: whole requests and answers are kept. store: responses may be kept
    for `previous_response_id`; False: none is, whatever the request says.
    on_disconnect: what becomes of a provider's answer when the client leaves; `drain` reads on for `drain_seconds`.
    access: every rule must let a model and its provider pass.
    byok: credentials to try first, in this order per provider.
    sources: which scope decided a setting that is not at its default, by the setting's name.
    """

    zdr: bool = False
    logging: bool = False
    store: bool = True
    on_disconnect: Literal["cancel", "drain"] = "cancel"
    drain_seconds: int = 60
    access: list[AccessRule] = []
    byok: list[OwnCredential] = []
    sources: dict[str, str] = {}


class Caller(msgspec.Struct, frozen=True):
    """The owner of a verified API key. `key_id` is public; the key itself never leaves the keys room.

    org_id, team_id, user_id: whose key it is; a key of a whole organisation has no user, one of no team no team.
    scopes: what the key is for; `inference` for calls to models. An empty list stands for `inference` alone.
    """

    key_id: str
    name: str = ""
    org_id: str = ""
    team_id: str = ""
    user_id: str = ""
    scopes: list[str] = []
    policy: CallerPolicy = CallerPolicy()
