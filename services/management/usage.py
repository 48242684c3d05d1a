"""Reading what was used: sums of days, and single answers."""

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from services.billing.usage_tables import usage, usage_daily
from services.errors import InvalidRequest, NotFound
from services.management import money_requests as asked
from services.management import money_shapes as shapes
from services.management.amounts import usd
from services.management.desk import Desk
from services.management.requests import One
from services.management.shapes import page
from services.tenancy.authority import Owned, may

_GROUPS: Final = {
    "day": "day", "model": "model", "provider": "provider", "key": "key_id", "user": "user_id", "team": "team_id",
}  # fmt: skip
_SUMS: Final = (
    "requests", "failures", "byok_requests", "unpriced_requests", "input", "cache_read", "cache_write_5m", "cache_write_1h",
    "output", "reasoning", "web_searches", "cost",
)  # fmt: skip
_FILTERS: Final = ("key_id", "user_id", "team_id", "model", "provider")
_ELSEWHERE: Final = ("chatcmpl-", "msg_")
"""What ids begin with in the other formats, instead of `resp_`."""

_PARTS: Final = msgspec.json.Decoder(dict[str, int])


def list_(desk: Desk, request: asked.ListUsage) -> shapes.ListUsageResponse:
    """What an organisation used, by day, model, provider, key, user or team; to who may not see all, their own."""
    org_id = desk.org_id(request.org_id)
    filters = {name: getattr(request, name) for name in _FILTERS if getattr(request, name) is not None}
    filters = _visible(desk, org_id, filters)
    groups = _groups(request.group_by)
    table = usage_daily.c
    columns = [table[_GROUPS[group]] for group in groups]
    query = sa.select(*columns, *(sa.func.sum(table[name]).label(name) for name in _SUMS)).where(table.org_id == org_id)
    for name, value in filters.items():
        query = query.where(table[name] == value)
    if request.from_day is not None:
        query = query.where(table.day >= request.from_day)
    if request.to_day is not None:
        query = query.where(table.day <= request.to_day)
    skip = _position(request.after)
    if columns:
        query = query.group_by(*columns).order_by(*columns).offset(skip).limit(request.limit + 1)
    found = desk.connection.execute(query).mappings()
    rows = [_use(dict(row), skip + number) for number, row in enumerate(found, 1) if row["requests"] is not None]
    return page(shapes.ListUsageResponse, rows, request.limit)


def generation(desk: Desk, request: One) -> shapes.StoredGeneration:
    """One answer, by the id that its client got. A key may always see its own."""
    query = sa.select(usage).where(usage.c.response_id == in_the_books(request.id))
    row = desk.connection.execute(query).mappings().first()
    if row is None or (row["org_id"] != desk.actor.org_id and not desk.actor.is_operator):
        raise NotFound(f"There is no generation `{request.id[:60]}`.")
    if row["key_id"] != desk.actor.name:
        desk.require("read", "usage", Owned(row["org_id"], row["team_id"], row["user_id"]))
    parts = _PARTS.decode(row["parts"]) if row["parts"] else {}
    same = ("org_id", "key_id", "surface", "model", "provider", "status", "streamed", "attempts", "ttft_ms", "total_ms")
    return shapes.StoredGeneration(
        id=row["response_id"],
        created_at=row["created_ms"] // 1000,
        team_id=row["team_id"] or None,
        user_id=row["user_id"] or None,
        requested_model=row["requested"],
        counted=row["counted"],
        cost=None if row["cost"] is None else usd(row["cost"]),
        cost_breakdown={name: usd(amount) for name, amount in parts.items()},
        price_version=row["price_version"],
        byok=row["byok"],
        **{name: row[name] for name in same},
        **_tokens(dict(row)),
    )


def in_the_books(id: str) -> str:
    """The id of an answer in the books, of one that a client got on any surface."""
    kind = next((prefix for prefix in _ELSEWHERE if id.startswith(prefix)), None)
    return id if kind is None else f"resp_{id.removeprefix(kind)}"


def _visible(desk: Desk, org_id: str, filters: dict[str, str]) -> dict[str, str]:
    """The filters, narrowed to the caller's own use where they may not see what they ask for. Raises `PermissionDenied`."""
    asked_for = Owned(org_id, filters.get("team_id", ""), filters.get("user_id", ""))
    if may(desk.actor, "read", "usage", asked_for):
        return filters
    actor = desk.actor
    name, value = ("user_id", actor.user_id) if actor.user_id else ("team_id", actor.team_id)
    if filters.get(name, value) != value:
        desk.require("read", "usage", asked_for)
    filters = {**filters, name: value}
    desk.require("read", "usage", Owned(org_id, filters.get("team_id", ""), filters.get("user_id", "")))
    return filters


def _groups(text: str) -> list[str]:
    groups = [each.strip() for each in text.split(",") if each.strip()]
    for group in groups:
        if group not in _GROUPS or groups.count(group) > 1:
            raise InvalidRequest(f"`group_by` is a list of {', '.join(_GROUPS)}, each once.", param="group_by")
    return groups


def _position(after: str | None) -> int:
    if after is None:
        return 0
    digits = after.removeprefix("usage_")
    if not after.startswith("usage_") or not digits.isdecimal() or len(digits) > 9:
        raise InvalidRequest("`after` must be the id of a row of this list.", param="after")
    return int(digits)


def _use(row: dict[str, Any], number: int) -> shapes.Use:
    told: dict[str, Any] = {column: row.get(column) or None for column in _GROUPS.values()}
    told |= {name: int(row[name]) for name in ("requests", "failures", "byok_requests", "unpriced_requests")}
    return shapes.Use(id=f"usage_{number}", **told, **_tokens(row), cost=usd(int(row["cost"])))


def _tokens(row: dict[str, Any]) -> dict[str, Any]:
    written = int(row["cache_write_5m"]) + int(row["cache_write_1h"])
    return {
        "input_tokens": int(row["input"]) + int(row["cache_read"]) + written,
        "cached_tokens": int(row["cache_read"]),
        "cache_write_tokens": written,
        "output_tokens": int(row["output"]),
        "reasoning_tokens": int(row["reasoning"]),
        "web_searches": int(row["web_searches"]),
    }
