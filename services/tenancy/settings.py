"""What an organisation, a team, a user or a key may settle for what is below it, and what comes of it for one key.

A setting that is None is inherited. A scope may lock a setting: then nothing below it changes the value; of the lists of
models and providers, what is below may then only narrow them. Pure.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from services.vocabulary.caller import AccessRule, CallerPolicy, PolicySource

SettingName = Literal["zdr", "logging", "store", "on_disconnect", "drain_seconds", "byok", "models", "providers"]
SETTINGS: Final[tuple[SettingName, ...]] = get_args(SettingName)

SOURCES: Final[tuple[PolicySource, ...]] = get_args(PolicySource)
"""The scopes, the widest first."""

_LISTS: Final = ("models", "providers")
_NAMES_MAX: Final = 200

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Names = Annotated[list[Name], msgspec.Meta(max_length=_NAMES_MAX)]


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Which may be used: those of `allow`, all when it is empty, but none of `deny`. `*` stands for any text."""

    allow: Names = []
    deny: Names = []


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one scope settles. See `CallerPolicy` for what each means; byok: whether own provider credentials are used.

    locked: settings that nothing below may change.
    """

    zdr: bool | None = None
    logging: bool | None = None
    store: bool | None = None
    on_disconnect: Literal["cancel", "drain"] | None = None
    drain_seconds: Annotated[int, msgspec.Meta(ge=1, le=600)] | None = None
    byok: bool | None = None
    models: Access | None = None
    providers: Access | None = None
    locked: list[SettingName] = []


NONE: Final = Settings()

Chain = Sequence[tuple[PolicySource, Settings]]
"""Settings from the organisation down to the key; a scope that is not there may be left out."""


class Resolved(msgspec.Struct, frozen=True):
    """What holds: `policy`, and whether own provider credentials are used."""

    policy: CallerPolicy
    byok: bool


def resolve(chain: Chain) -> Resolved:
    """What holds at the end of the chain."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in SETTINGS:
        if name in _LISTS:
            continue
        value, source = decided(name, chain)
        if source is not None:
            sources[name] = source
        if value is not None:
            values[name] = value
    byok = values.pop("byok", True)
    rules = [_rule(name, source, access) for name in _LISTS for source, access in _accesses(name, chain)]
    for rule in rules:
        name = "models" if rule.allowed_models or rule.denied_models else "providers"
        sources.setdefault(name, rule.source)  # the widest: what is below can only have narrowed it
    return Resolved(CallerPolicy(access=rules, sources=sources, **values), byok)


def decided(name: SettingName, chain: Chain) -> tuple[Any, PolicySource | None]:
    """The value of a single setting (None: its default), and the scope that decided it, if one did."""
    value: Any = None
    decider: PolicySource | None = None
    for source, settings in chain:
        if (here := getattr(settings, name)) is not None:
            value, decider = here, source
        if name in settings.locked:
            return value, decider or source
    return value, decider


def locked_by(name: SettingName, above: Chain) -> PolicySource | None:
    """The widest scope that locks a setting for what is below; None: it may be changed there."""
    return next((source for source, settings in above if name in settings.locked), None)


def policy_source(policy: CallerPolicy) -> PolicySource:
    """Who decided on privacy (zdr, logging): the widest scope that decided one of them, else the key."""
    found = {policy.sources.get(name) for name in ("zdr", "logging")}
    return next((source for source in SOURCES if source in found), "key")


def _accesses(name: Any, chain: Chain) -> Sequence[tuple[PolicySource, Access]]:
    """The lists that hold: all that are locked, and the nearest that is not."""
    holding: list[tuple[PolicySource, Access]] = []
    free: tuple[PolicySource, Access] | None = None
    for source, settings in chain:
        access: Access | None = getattr(settings, name)
        if access is not None:
            free = source, access
        if name in settings.locked and free is not None:
            holding.append(free)
            free = None
    return [each for each in (*holding, free) if each is not None and (each[1].allow or each[1].deny)]


def _rule(name: str, source: PolicySource, access: Access) -> AccessRule:
    if name == "models":
        return AccessRule(allowed_models=access.allow, denied_models=access.deny, source=source)
    return AccessRule(allowed_providers=access.allow, denied_providers=access.deny, source=source)
