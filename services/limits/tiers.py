"""Tiers: names for sets of numbers, from our file and the operator's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from services.vocabulary.limits import Limits, Rates, check

DEFAULT: Final = "default"
"""The tier of keys that name none."""

_OURS: Final = Path(__file__).with_name("tiers.yaml")


class TierError(ValueError):
    """A tier cannot be read. The message names the file and the tier."""


class _Tier(Rates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Numbers for all models together, and for one each."""

    models: dict[str, Rates] = {}


class Tiers:
    """The tiers there are."""

    def __init__(self, tiers: Mapping[str, Limits]) -> None:
        self._tiers = tiers

    @property
    def names(self) -> frozenset[str]:
        """All of them, for `vocabulary.limits.check`."""
        return frozenset(self._tiers)

    def resolved(self, limits: Limits) -> Limits:
        """The numbers that apply: the scope's own, and its tier's where it has none.

        A tier that is not there any more is `default`: a typing error in a file must not lift all limits.
        """
        if limits.tier is None:
            return limits
        tier = self._tiers.get(limits.tier) or self._tiers[DEFAULT]
        models = {
            model: _over(limits.models.get(model), tier.models.get(model)) for model in {**tier.models, **limits.models}
        }
        return msgspec.structs.replace(_limits(_over(limits, tier), models), on_outage=limits.on_outage)


def load(own: Path | None = None) -> Tiers:
    """Our tiers, and those of the operator's file. Raises `TierError`."""
    tiers = _read(_OURS)
    if own is not None:
        tiers |= _read(own)
    return Tiers(tiers)


def _read(file: Path) -> dict[str, Limits]:
    try:
        rows: Any = yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TierError(f"{file}: {error}") from None
    if not isinstance(rows, dict):
        raise TierError(f"{file}: must be a mapping from names to numbers")
    tiers: dict[str, Limits] = {}
    for name, row in rows.items():
        try:
            tier = msgspec.convert(row, _Tier)
        except msgspec.ValidationError as error:
            raise TierError(f"{file}: tier {name}: {error}") from None
        tiers[str(name)] = _limits(tier, tier.models)
        if wrong := check(tiers[str(name)], frozenset()):
            raise TierError(f"{file}: tier {name}: {wrong}")
    return tiers


def _limits(rates: Rates, models: Mapping[str, Rates]) -> Limits:
    return Limits(
        requests_per_minute=rates.requests_per_minute,
        input_tokens_per_minute=rates.input_tokens_per_minute,
        output_tokens_per_minute=rates.output_tokens_per_minute,
        concurrent_requests=rates.concurrent_requests,
        models=dict(models),
    )


def _over(own: Rates | None, under: Rates | None) -> Rates:
    """Numbers of one's own, and those of another where there are none."""
    if own is None or under is None:
        return own or under or Rates()
    names = Rates.__struct_fields__
    numbers = {name: getattr(own if getattr(own, name) is not None else under, name) for name in names}
    return Rates(**numbers)
