"""How much may be asked for: in a minute, and at once."""

from typing import Literal

import msgspec

ScopeKind = Literal["organisation", "team", "user", "key"]

PER_MINUTE_MAX = 100_000_000_000
"""The largest number a limit may be. Beyond it the arithmetic would not be exact; nothing is that fast."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Numbers of one bucket each. None: no limit of this kind. 0: nothing at all.

    A bucket holds a minute's worth and fills evenly, so that a minute's worth may also come in one burst.
    concurrent_requests: how many may be under way at the same time.
    """

    requests_per_minute: int | None = None
    input_tokens_per_minute: int | None = None
    output_tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


class Limits(Rates, frozen=True, kw_only=True, omit_defaults=True):
    """What one scope may use: the numbers of its tier, each replaced by its own where it has one.

    tier: a name of the tiers' file. models: numbers for one model each, by its slug, besides those for all models
    together. on_outage: what to do when what replicas share (Redis) does not answer: `local` limits on each replica by
    itself, `refuse` refuses; None is the gateway's setting.
    """

    tier: str | None = None
    models: dict[str, Rates] = {}
    on_outage: Literal["local", "refuse"] | None = None


class ScopeLimits(msgspec.Struct, frozen=True):
    """The limits of one organisation, team, user or key. id: as the scope is named everywhere (`org_…`, `key_…`)."""

    scope: ScopeKind
    id: str
    limits: Limits


def check(limits: Limits, tiers: "frozenset[str] | set[str]") -> str | None:
    """What is wrong with limits that somebody wants to store, for people; None when nothing is."""
    if limits.tier is not None and limits.tier not in tiers:
        return f"there is no tier `{limits.tier}`; there are {', '.join(sorted(tiers))}"
    for model, rates in [("", limits), *limits.models.items()]:
        for name in Rates.__struct_fields__:
            number = getattr(rates, name)
            if number is not None and not 0 <= number <= PER_MINUTE_MAX:
                where = f"models[{model!r}].{name}" if model else name
                return f"{where} is {number}, and must be between 0 and {PER_MINUTE_MAX}"
    return None
