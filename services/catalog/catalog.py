"""The catalogue: which models there are, who serves them, and what a model id means.

`load` reads the rows and checks them against each other; `Catalog.configured` keeps what this environment has credentials
for. A catalogue never changes; a new one replaces it. Looking a model up is a dictionary access or two, whatever the size.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import msgspec

from services.catalog import environment as env
from services.catalog.local import LOCAL, Found, offered
from services.catalog.reading import CatalogError, Rows, read
from services.catalog.schema import DIALECTS, Facts, LocalServer, Model, Offer, PriceRow, Provider, Target
from services.catalog.suggest import Suggestions
from services.errors import InvalidRequest, ModelNotFound

# An upstream model id is put into URLs: no spaces, no query, no escapes, and (below) no way up.
_UPSTREAM_ID = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@._:/+=~-]{0,511}")
SANDBOX = "sandbox"
_QUOTED_MAX = 100  # characters of a wrong id that an error repeats


def load(config: Path | None = None) -> "Catalog":
    """The whole catalogue, as if every provider were configured. Raises `CatalogError`."""
    return Catalog(read(config))


class Catalog:
    """Providers and models by name. `providers` and `models` are in the order of the listing's rows."""

    def __init__(
        self,
        rows: Rows,
        *,
        unconfigured: Mapping[str, Sequence[str]] | None = None,
        found: Sequence[Found] = (),
        whole: Rows | None = None,
    ) -> None:
        """Checks the rows against each other. `unconfigured`: provider names left out, and what each of them lacks.

        `found`: servers on this machine, whose models are there without a row. `whole`: all rows, those left out included.
        """
        self._rows = rows
        self._found = found
        self._whole = whole or rows
        self._brought: dict[frozenset[str], Catalog] = {}
        local = offered(found)
        self.providers: Mapping[str, Provider] = {
            **{provider.id: provider for provider in rows.providers},
            **{target.provider.id: target.provider for _, target in reversed(local)},
        }
        self.models: Mapping[str, Model] = {
            **{model.id: model for model, _ in local},
            **{model.id: model for model in rows.models},
        }
        self.prices: Sequence[PriceRow] = rows.prices
        self.local: Sequence[LocalServer] = rows.local
        self._unconfigured = unconfigured or {}
        self._provider_names = _unique(
            ((name, provider.id) for provider in self.providers.values() for name in (provider.id, *provider.aliases)),
            "provider",
        )
        self._anywhere: dict[str, list[Target]] = {}
        self._at: dict[tuple[str, str], Target] = {}
        self._suggestions: dict[str, Suggestions] = {}
        self._offered: dict[tuple[str, str], tuple[Model, Target]] = {}
        names = _unique(((name, model.id) for model in rows.models for name in (model.id, *model.aliases)), "model")
        for model in rows.models:
            _check_dates(model)
            self._add(model, names)
        self._add_found(local)
        self._pool = _pool(rows.models)
        tiers = sorted({model.tier for model in self._pool if model.tier is not None})
        newest = sorted(self._pool, key=lambda model: model.created, reverse=True)
        self.tiers: Mapping[int, Sequence[Model]] = {
            tier: [model for model in newest if model.tier == tier] for tier in tiers
        }
        for row in rows.prices:
            if row.since:
                _check_date(row.since, f"price of {row.provider}/{row.model}: since")

    def configured(
        self, environment: Mapping[str, str], *, own_port: int | None = None, dialects: Collection[str] = DIALECTS
    ) -> "Catalog":
        """What can be served with this environment, by a gateway that speaks `dialects` and listens on `own_port`.

        Raises `CatalogError` for a base URL that is this gateway itself.
        """
        providers = {}
        unconfigured: dict[str, Sequence[str]] = {}
        for provider in self.providers.values():
            if provider.dialect not in dialects:
                continue
            if (filled := env.configure(provider, environment)) is None:
                lacks = env.missing(provider, environment)
                unconfigured.update(dict.fromkeys((provider.id, *provider.aliases), lacks))
                continue
            if filled.base_url:  # the sandbox has none
                env.check_url(filled)
            if own_port is not None:
                env.refuse_own_address(filled, own_port)
            providers[filled.id] = filled
        models = [
            msgspec.structs.replace(model, offers=offers)
            for model in self.models.values()
            if (offers := [offer for offer in model.offers if _speaks(offer, model, providers, dialects)])
        ]
        rows = Rows(list(providers.values()), models, list(self.prices), list(self.local))
        return Catalog(rows, unconfigured=unconfigured, whole=self._rows)

    def with_brought(self, providers: frozenset[str]) -> "Catalog":
        """The same, and those of the providers that are left out: for callers who have credentials of their own for them.

        They are as their rows stand in the file, with placeholders. Made once for the same providers.
        """
        extra = [row for row in self._whole.providers if row.id in providers and row.id not in self.providers]
        if not extra:
            return self
        key = frozenset(row.id for row in extra)
        if (made := self._brought.get(key)) is None:
            rows = [*self._rows.providers, *extra]
            known = {row.id: row for row in rows}
            models = [
                msgspec.structs.replace(model, offers=offers)
                for model in self._whole.models
                if (offers := [offer for offer in model.offers if _speaks(offer, model, known, DIALECTS)])
            ]
            names = {name for row in extra for name in (row.id, *row.aliases)}
            unconfigured = {name: lacks for name, lacks in self._unconfigured.items() if name not in names}
            made = self._brought[key] = Catalog(
                Rows(rows, models, list(self.prices), list(self.local)),
                unconfigured=unconfigured,
                found=self._found,
                whole=self._whole,
            )
        return made

    def with_local(self, found: Sequence[Found]) -> "Catalog":
        """The same rows, and the models of servers found on this machine; what a row names stays the row's."""
        if any(LOCAL.id in (row.id, *row.aliases) for row in self._rows.providers):
            return self
        servers = " or ".join(f"{server.name} on port {server.port}" for server in self.local)
        unconfigured = self._unconfigured if found else {LOCAL.id: [servers], **self._unconfigured}
        return Catalog(self._rows, unconfigured=unconfigured, found=found, whole=self._whole)

    def provider(self, name: str) -> Provider | None:
        """A provider by id or alias."""
        id = self._provider_names.get(name)
        return None if id is None else self.providers[id]

    def resolve(self, model: str, *, unlisted: bool = False) -> Sequence[Target]:
        """Where `model` can be asked: one target for `provider/model`, every offer, best first, for a bare name.

        With `unlisted`, or for a provider whose row says so, `provider/<any id of the provider>` is let through.
        Raises `ModelNotFound` with the nearest names, `InvalidRequest` for what cannot be a model id.
        """
        if (targets := self._anywhere.get(model)) is not None:
            return targets
        prefix, slash, rest = model.partition("/")
        provider = self.provider(prefix) if slash else None
        if provider is None:
            raise self._unknown(model)
        if (target := self._at.get((provider.id, rest))) is not None:
            return [target]
        if not (unlisted or provider.unlisted):
            raise self._unknown(model)
        if not _UPSTREAM_ID.fullmatch(rest) or ".." in rest:
            raise InvalidRequest(f"`{model[:_QUOTED_MAX]}` cannot be a model id of {provider.name}.", param="model")
        return [Target(provider, dialect_of(provider, rest), model=rest, upstream=rest, listed=False)]

    def alternatives(self, target: Target) -> Sequence[Target]:
        """Every offer of what the target is, itself among them: the same model, or the same dated snapshot of it."""
        if not target.listed:
            return [target]
        model, _ = self._offered[target.provider.id, target.upstream]
        dated = target.model != model.id.removeprefix(f"{target.provider.id}/")
        found = self._anywhere[target.model if dated else model.id]
        return found if target in found else [target]  # a local server's model may have the name of a row's

    def slug(self, target: Target) -> str:
        """The slug of the model that a target is an offer, or a dated snapshot, of."""
        return self._offered[target.provider.id, target.upstream][0].id if target.listed else target.model

    def knows_provider(self, name: str) -> bool:
        """Whether there is such a provider at all, configured or not."""
        return name in self._provider_names or name in self._unconfigured

    def model(self, name: str) -> Model:
        """The row of a model by slug, alias, snapshot, or `provider/` and any of these. Raises `ModelNotFound`."""
        for target in self.resolve(name):
            if target.listed:
                return self._offered[target.provider.id, target.upstream][0]
        raise self._unknown(name)

    def offers_of(self, model: Model) -> list[tuple[Offer, Target]]:
        """The offers of a model of this catalogue, and where each is asked."""
        keys = [(offer.provider, offer.upstream or model.id) for offer in model.offers]
        return [(offer, self._offered[key][1]) for offer, key in zip(model.offers, keys, strict=True)]

    @property
    def pool(self) -> Sequence[Model]:
        """What `auto` may choose from: the models with a quality tier that somebody still promises.

        The sandbox is one only where there is nothing else. `tiers` has the same by quality tier, newest first.
        """
        return self._pool

    def _add(self, model: Model, names: Mapping[str, str]) -> None:
        for offer in model.offers:
            provider = self.providers.get(offer.provider)
            if provider is None:
                raise CatalogError(f"model {model.id}: unknown provider `{offer.provider}` in an offer")
            upstream = offer.upstream or model.id
            target = Target(
                provider,
                offer.dialect or dialect_of(provider, upstream),
                model=model.id.removeprefix(f"{provider.id}/"),
                upstream=upstream,
                facts=_facts(model, offer),
                zdr=zdr(provider, offer) is not False,
                region=offer.region,
            )
            for name in (model.id, *model.aliases):  # a slug like sandbox/echo already names its provider
                self._anywhere.setdefault(name, []).append(target)
                self._at.setdefault((provider.id, name.removeprefix(f"{provider.id}/")), target)
            self._exactly(target, model, names)
            for snapshot in offer.snapshots:
                if snapshot in names:
                    raise CatalogError(f"model {model.id}: snapshot `{snapshot}` is a name of {names[snapshot]} too")
                dated = msgspec.structs.replace(target, model=snapshot, upstream=snapshot)
                self._exactly(dated, model, names)
                self._anywhere.setdefault(snapshot, []).append(dated)

    def _add_found(self, local: Sequence[tuple[Model, Target]]) -> None:
        for model, target in local:
            self._offered.setdefault((target.provider.id, target.upstream), (model, target))
        names = [(model.id, target) for model, target in local]
        names += [(alias, target) for model, target in local for alias in model.aliases]
        for name, target in names:
            self._anywhere.setdefault(name, [target])
            self._at.setdefault((target.provider.id, name.removeprefix(f"{target.provider.id}/")), target)

    def _exactly(self, target: Target, model: Model, names: Mapping[str, str]) -> None:
        """Lets the provider's own id be asked for too, unless it is the name of another model."""
        key = (target.provider.id, target.upstream)
        if key in self._offered:
            raise CatalogError(f"model {model.id}: {key[0]}/{key[1]} is offered twice")
        self._offered[key] = model, target
        if names.get(target.upstream, model.id) == model.id:
            self._at.setdefault(key, target)

    def _unknown(self, model: str) -> ModelNotFound:
        quoted = model[:_QUOTED_MAX]
        prefix, slash, rest = quoted.partition("/")
        provider = self.provider(prefix) if slash else None
        if slash and (lacks := self._unconfigured.get(prefix)) is not None:
            return ModelNotFound(
                f"`{quoted}`: provider `{prefix}` is not configured here; it needs {', '.join(lacks)}.", param="model"
            )
        if provider is not None:
            near = [f"{provider.id}/{name}" for name in self._near(provider.id, rest)]
        else:
            near = self._near("", rest or quoted)
        hint = (
            f" Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else " GET /v1/models lists what is."
        )
        return ModelNotFound(f"Model `{quoted}` is not offered here.{hint}", param="model")

    def _near(self, provider: str, wrong: str) -> list[str]:
        if provider not in self._suggestions:
            known = [name for id, name in self._at if id == provider] if provider else self._anywhere
            self._suggestions[provider] = Suggestions(known)
        return self._suggestions[provider].near(wrong)


def dialect_of(provider: Provider, upstream: str) -> str:
    """The wire format a provider speaks for a model id: the longest prefix of its row that fits, in any case."""
    folded = upstream.lower()
    prefixes = [prefix for prefix in provider.dialects if folded.startswith(prefix.lower())]
    return provider.dialects[max(prefixes, key=len)] if prefixes else provider.dialect


def _speaks(offer: Offer, model: Model, providers: Mapping[str, Provider], dialects: Collection[str]) -> bool:
    provider = providers.get(offer.provider)
    return provider is not None and (offer.dialect or dialect_of(provider, offer.upstream or model.id)) in dialects


def _pool(models: Iterable[Model]) -> list[Model]:
    found = [model for model in models if model.tier is not None and not _ends(model)]
    return [model for model in found if model.offers[0].provider != SANDBOX] or found


def _ends(model: Model) -> bool:
    """Whether nobody promises the model any more, or its first provider does not."""
    return model.deprecated_at is not None or any(offer.deprecated_at for offer in model.offers[:1])


def zdr(provider: Provider, offer: Offer) -> bool | str:
    """Whether an offer keeps nothing of what it is sent: the page that says so, True without one."""
    said = provider.zdr if offer.zdr is None else offer.zdr
    return said or False


def _facts(model: Model, offer: Offer) -> Facts:
    if offer.facts is None:
        return model.facts
    own = {name: value for name, value in msgspec.structs.asdict(offer.facts).items() if value is not None}
    return msgspec.structs.replace(model.facts, **own)


def _unique(pairs: Iterable[tuple[str, str]], kind: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for name, owner in pairs:
        if names.setdefault(name, owner) != owner:
            raise CatalogError(f"{kind} {owner}: `{name}` is a name of {kind} {names[name]} too")
    return names


def _check_dates(model: Model) -> None:
    _check_date(model.created, f"model {model.id}: created")
    ends = [(model.deprecated_at, model.id), *((offer.deprecated_at, offer.provider) for offer in model.offers)]
    for end, whose in ends:
        if end is not None:
            _check_date(end, f"model {model.id}: deprecated_at of {whose}")


def _check_date(text: str, where: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise CatalogError(f"{where}: `{text}` is not a date like 2026-02-05") from None
