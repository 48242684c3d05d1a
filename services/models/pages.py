"""The answers of the Models API, ready to send: made of a catalogue and the prices of a day, kept until either changes."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec

from services.billing.pricing import Pricing
from services.catalog.catalog import Catalog
from services.catalog.schema import Model, Provider
from services.catalog.suggest import Suggestions
from services.errors import NotFound
from services.models import documents, shapes
from services.models.filters import Condition, Facets

_QUOTED_MAX = 100


class Page(msgspec.Struct, frozen=True):
    """A JSON body and the tag by which a client can ask whether it is still the same."""

    body: bytes
    etag: str


class Entry:
    """One model: its row, its detail and what filters look at."""

    def __init__(self, model: Model, row: shapes.ListedModel, offers: Sequence[shapes.ModelOffer]) -> None:
        self.model = model
        self.row = row
        self.detail = documents.detail(model, row, offers)
        self.facets = Facets(row, self.detail)

    def at(self, provider: str) -> shapes.ModelDetail:
        """The detail with one of its providers."""
        return msgspec.structs.replace(self.detail, providers={provider: self.detail.providers[provider]})


class Pages:
    """All answers about one catalogue."""

    def __init__(self, catalog: Catalog, at: datetime) -> None:
        prices = Pricing(catalog.prices)
        self._catalog = catalog
        self._entries: dict[str, Entry] = {}
        for model in documents.ordered(catalog):
            row = documents.listed(model, catalog)
            self._entries[model.id] = Entry(model, row, documents.offered(model, catalog, prices, at))
        self._bodies: dict[str, Page] = {}

    def models(self, conditions: Sequence[Condition]) -> shapes.ListModelsResponse:
        """The list of those that pass."""
        rows = [entry.row for entry in self._entries.values() if entry.facets.pass_(conditions)]
        return shapes.ListModelsResponse(
            data=rows, first_id=rows[0].id if rows else None, last_id=rows[-1].id if rows else None
        )

    def model(self, name: str) -> shapes.ModelDetail:
        """A model by any of its names. Raises `ModelNotFound`."""
        return self._entries[self._catalog.model(name).id].detail

    def offer(self, name: str, provider: str) -> shapes.ModelOffer:
        """A model at a provider. Raises `NotFound`, which `ModelNotFound` is one of."""
        detail, found = self.model(name), self._provider(provider)
        if found.id not in detail.providers:
            raise NotFound(f"`{detail.slug}` is not offered by {found.id} here, but by {', '.join(detail.providers)}.")
        return detail.providers[found.id]

    def providers(self) -> list[shapes.ProviderName]:
        """All providers."""
        return documents.providers(self._catalog)

    def models_of_provider(self, provider: str, conditions: Sequence[Condition]) -> list[shapes.ModelDetail]:
        """What a provider offers, without the other providers. Raises `NotFound`."""
        slug = self._provider(provider).id
        offered = [entry for entry in self._entries.values() if slug in entry.detail.providers]
        return [entry.at(slug) for entry in offered if entry.facets.pass_(conditions, slug)]

    def models_of_author(self, author: str, conditions: Sequence[Condition]) -> list[shapes.ModelDetail]:
        """What an author made. Raises `NotFound`."""
        made = [entry for entry in self._entries.values() if entry.model.author == author]
        if not made:
            raise NotFound(_unknown("author", author, self._authors))
        return [entry.detail for entry in made if entry.facets.pass_(conditions)]

    def page(self, key: str, make: Callable[[], Any]) -> Page:
        """The body of what `make` makes. With a key it is made once."""
        page = self._bodies.get(key)
        if page is None:
            body = msgspec.json.encode(make())
            page = Page(body, f'"{sha256(body).hexdigest()[:32]}"')
            if key:
                self._bodies[key] = page
        return page

    @cached_property
    def _authors(self) -> Suggestions:
        return Suggestions(entry.model.author for entry in self._entries.values())

    @cached_property
    def _names(self) -> Suggestions:
        return Suggestions(name for row in self._catalog.providers.values() for name in (row.id, *row.aliases))

    def _provider(self, name: str) -> Provider:
        found = self._catalog.provider(name)
        if found is None:
            raise NotFound(_unknown("provider", name, self._names))
        return found


class Library:
    """The pages of the present catalogue."""

    def __init__(self, catalog: Catalog, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`now`: the time in UTC."""
        self._catalog = catalog
        self._now = now
        self._made: tuple[Catalog, date, Pages] | None = None
        self._making = asyncio.Lock()

    def show(self, catalog: Catalog) -> None:
        """Answers about another catalogue from now on."""
        self._catalog = catalog

    async def pages(self) -> Pages:
        """Answers as of today: prices change at midnight in UTC. Made in a thread, because others are being streamed to."""
        if (made := self._present()) is not None:
            return made
        async with self._making:
            if (made := self._present()) is not None:
                return made
            catalog, now = self._catalog, self._now()
            pages = await asyncio.to_thread(Pages, catalog, now)
            self._made = catalog, now.date(), pages
            return pages

    def _present(self) -> Pages | None:
        if self._made is None:
            return None
        catalog, day, pages = self._made
        return pages if catalog is self._catalog and day == self._now().date() else None


def _unknown(kind: str, name: str, known: Suggestions) -> str:
    near = known.near(name)
    hint = f" Did you mean {' or '.join(f'`{each}`' for each in near)}?" if near else ""
    return f"There is no {kind} `{name[:_QUOTED_MAX]}` here.{hint}"
