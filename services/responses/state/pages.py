"""Lists in pieces: `after`, `limit`, `order`, and the list object (https://platform.openai.com/docs/api-reference/pagination)."""

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from services.errors import InvalidRequest
from services.store.records import ItemRow

LIMIT_MAX: Final = 100
LIMIT: Final = 20


class Page(NamedTuple):
    """Which piece of a list. after: the id of the item before it."""

    after: str | None
    limit: int
    newest_first: bool


class ItemList(msgspec.Struct):
    """Items, and whether there are more after them."""

    data: list[msgspec.Raw]
    first_id: str
    last_id: str
    has_more: bool
    object: Literal["list"] = "list"


class _Asking(Protocol):
    after: str
    limit: int
    order: str

    def HasField(self, name: Any, /) -> bool:  # noqa: N802
        ...


def page_asked(request: _Asking) -> Page:
    """The piece that a message asks for."""
    given = {name: getattr(request, name) for name in ("after", "limit", "order") if request.HasField(name)}
    return page_of(given.get("after"), given.get("limit"), given.get("order"))


def page_of(after: str | None, limit: int | None, order: str | None) -> Page:
    """The piece that is asked for. Raises `InvalidRequest`."""
    if limit is not None and not 1 <= limit <= LIMIT_MAX:
        raise InvalidRequest(f"Expected 1 to {LIMIT_MAX} (at limit).", param="limit")
    if order not in (None, "asc", "desc"):
        raise InvalidRequest("Expected `asc` or `desc` (at order).", param="order")
    return Page(after or None, limit or LIMIT, order != "asc")


def no_item(after: str | None) -> InvalidRequest:
    """The item a page should begin after is not in the list."""
    return InvalidRequest(f"There is no item {after!r} (at after).", param="after")


def item_list(rows: Sequence[ItemRow], limit: int) -> ItemList:
    """The list object of up to `limit` of the rows; one more says that there are more."""
    shown = rows[:limit]
    first, last = (shown[0].id, shown[-1].id) if shown else ("", "")
    return ItemList([msgspec.Raw(row.item) for row in shown], first, last, len(rows) > limit)
