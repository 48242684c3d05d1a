"""What `GET /v1/models` shows: OpenAI's list and Anthropic's in one."""

from datetime import UTC, datetime

import msgspec

from services.catalog.catalog import Catalog
from services.catalog.schema import Model


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model. `created` and `created_at` are its release; limits are in tokens, None where not known.

    providers: who serves it here, first choice first; `provider/id` asks for one of them.
    """

    id: str
    object: str = "model"
    created: int
    owned_by: str
    type: str = "model"
    display_name: str
    created_at: str
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    aliases: list[str] = []
    providers: list[str]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """The whole list, one page."""

    object: str = "list"
    data: list[ListedModel]
    has_more: bool = False
    first_id: str | None
    last_id: str | None


def listing(catalog: Catalog) -> Listing:
    """All models of the catalogue by author, newest first; the same order every time."""
    models = sorted(catalog.models.values(), key=lambda model: model.id)
    models.sort(key=lambda model: model.created, reverse=True)
    models.sort(key=lambda model: model.author)
    data = [_listed(model) for model in models]
    return Listing(data=data, first_id=data[0].id if data else None, last_id=data[-1].id if data else None)


def _listed(model: Model) -> ListedModel:
    released = datetime.fromisoformat(model.created).replace(tzinfo=UTC)
    return ListedModel(
        id=model.id,
        created=int(released.timestamp()),
        owned_by=model.author,
        display_name=model.name or model.id,
        created_at=f"{model.created}T00:00:00.000Z",
        max_input_tokens=model.facts.context,
        max_tokens=model.facts.max_output,
        aliases=model.aliases,
        providers=[offer.provider for offer in model.offers],
    )
