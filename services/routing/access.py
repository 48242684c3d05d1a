"""Which models and providers an organisation, team or key may use: rules that must all let a target pass.

A rule names models by slug, alias or `provider/slug`, and providers by slug or alias; `*` stands for any text. A dated
snapshot is its model. Rules are compiled once for a catalogue: what they name is looked up then, and not at every call.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from services.catalog.catalog import Catalog
from services.catalog.schema import Target
from services.errors import GatewayError
from services.vocabulary.caller import AccessRule

Test = Callable[[Target], bool]

_COMPILED_MAX: Final = 512
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[AccessRule]).decode


class Access:
    """All rules of a caller."""

    def __init__(self, rules: Sequence["_Rule"]) -> None:
        self._rules = rules

    def refusal(self, target: Target) -> str | None:
        """Why the target must not be used, in words; None: it may."""
        return next((said for rule in self._rules if (said := rule.refusal(target)) is not None), None)


OPEN: Final = Access(())


def access_of(rules: Sequence[AccessRule], catalog: Catalog) -> Access:
    """The compiled rules; the same ones are compiled once."""
    return _compiled(_encode(rules), catalog) if rules else OPEN


@lru_cache(maxsize=_COMPILED_MAX)
def _compiled(rules: bytes, catalog: Catalog) -> Access:
    return Access([_Rule(rule, catalog) for rule in _decode(rules)])


class _Rule:
    def __init__(self, rule: AccessRule, catalog: Catalog) -> None:
        self._whose = f"the policy of the {rule.source}" if rule.source else "a policy"
        self._allowed = _models(rule.allowed_models, catalog), _providers(rule.allowed_providers, catalog)
        self._denied = _models(rule.denied_models, catalog), _providers(rule.denied_providers, catalog)

    def refusal(self, target: Target) -> str | None:
        for what, allowed, denied in zip(("model", "provider"), self._allowed, self._denied, strict=True):
            if (denied is not None and denied(target)) or (allowed is not None and not allowed(target)):
                return f"{self._whose} does not allow the {what}"
        return None


def _models(names: Iterable[str], catalog: Catalog) -> Test | None:
    """Whether a target is one of these models; None when none is named."""
    exact: set[str] = set()
    patterns: list[str] = []
    for name in names:
        if "*" in name:
            patterns.append(name)
            continue
        exact.add(name)
        try:
            found = catalog.resolve(name)
        except GatewayError:
            continue  # it may be served tomorrow, or unlisted
        if len(found) == 1 and name != found[0].model and "/" in name:
            exact.add(f"{found[0].provider.id}/{catalog.slug(found[0])}")
        else:
            exact.add(catalog.slug(found[0]))
    if not exact and not patterns:
        return None
    pattern = _pattern(patterns)

    def test(target: Target) -> bool:
        slug = catalog.slug(target)
        names = {slug, target.model, target.id, f"{target.provider.id}/{slug}"}
        return not names.isdisjoint(exact) or any(pattern.fullmatch(each) for each in names)

    return test


def _providers(names: Iterable[str], catalog: Catalog) -> Test | None:
    exact: set[str] = set()
    patterns: list[str] = []
    for name in names:
        found = catalog.provider(name)
        if "*" in name:
            patterns.append(name)
        else:
            exact.add(found.id if found is not None else name)
    if not exact and not patterns:
        return None
    pattern = _pattern(patterns)
    return lambda target: target.provider.id in exact or pattern.fullmatch(target.provider.id) is not None


def _pattern(patterns: Iterable[str]) -> re.Pattern[str]:
    parts = (re.escape(each).replace(r"\*", ".*") for each in patterns)
    return re.compile("|".join(parts) or r"(?!)", re.DOTALL)
