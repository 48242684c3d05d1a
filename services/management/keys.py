"""Operations on API keys."""

import msgspec

from services.billing.ledger import budgets
from services.billing.periods import PERIODS
from services.byok import store as byok
from services.errors import Conflict, InvalidRequest, NotFound
from services.keys import store
from services.keys.secret import mask
from services.keys.store import KeyRow
from services.management import requests as asked
from services.management import shapes
from services.management.amounts import nano, usd
from services.management.desk import Desk, check_locks, merged
from services.management.limits import check_limits
from services.tenancy.authority import SCOPES, Owned, may, require_key_scopes
from services.tenancy.rows import NO_LIMITS
from services.tenancy.settings import NONE, policy_source, resolve
from services.vocabulary.caller import INFERENCE


def create(desk: Desk, request: asked.CreateKey) -> shapes.ApiKey:
    """Makes a key, which is in this answer and in no other."""
    owned = desk.place(request.org_id, request.team_id, request.user_id)
    desk.require("write", "keys", owned)
    scopes = _scopes(request.scopes)
    require_key_scopes(desk.actor, frozenset(scopes), owned)
    if request.settings != NONE:
        desk.require("write", "settings", owned)
        check_locks(NONE, request.settings, desk.above(owned, key=True))
    if request.limits != NO_LIMITS or request.budget is not None:
        desk.require("write", "limits", owned)
    check_limits(request.limits, desk.tools.tiers)
    key = desk.fresh.key()
    row = KeyRow(
        id=desk.fresh.id("key"),
        org_id=owned.org_id,
        team_id=owned.team_id,
        user_id=owned.user_id,
        name=request.name,
        masked=mask(key),
        scopes=scopes,
        settings=request.settings,
        limits=request.limits,
        created_at=desk.now,
        expires_at=_later(request.expires_at, desk.now),
    )
    if request.budget is not None:
        limit = nano(request.budget.limit, "budget.limit")
        budgets.put(desk.connection, f"key:{row.id}", request.budget.period, limit, now_ms=desk.now_ms)
    return _added(desk, row, key, "key.create")


def list_(desk: Desk, request: asked.ListKeys) -> shapes.ListKeysResponse:
    """Keys of an organisation; of who may not see all, their own."""
    org_id = desk.org_id(request.org_id)
    everything = request.org_id is None and desk.actor.is_operator
    user_id = request.user_id
    owned = Owned(org_id, request.team_id or "", user_id or "")
    if not everything:
        if not may(desk.actor, "read", "keys", owned) and user_id is None and desk.actor.user_id:
            user_id = desk.actor.user_id
        desk.require("read", "keys", Owned(org_id, request.team_id or "", user_id or ""))
    rows = store.page(
        desk.connection,
        None if everything else org_id,
        after=request.after,
        limit=request.limit + 1,
        team_id=request.team_id,
        user_id=user_id,
        revoked=request.revoked,
    )
    return shapes.page(shapes.ListKeysResponse, [_public(desk, row) for row in rows], request.limit)


def get(desk: Desk, request: asked.One) -> shapes.ApiKey:
    """One key."""
    row = _row(desk, request.id)
    desk.require("read", "keys", _owned(row))
    return _public(desk, row)


def update(desk: Desk, request: asked.UpdateKey) -> shapes.ApiKey:
    """Changes a key, within half a second on every replica: settings and limits with their own areas, the rest with `keys`."""
    row = _row(desk, request.id)
    desk.require("read", "keys", _owned(row))
    rest = msgspec.structs.replace(request, settings=None, limits=None, clear=[])
    if rest != asked.UpdateKey(id=request.id) or "expires_at" in request.clear:
        desk.require("write", "keys", _owned(row))
    if row.revoked_at is not None:
        raise Conflict("This key was revoked; it cannot be changed any more.")
    scopes = row.scopes
    if request.scopes:
        scopes = _scopes(request.scopes)
        require_key_scopes(desk.actor, frozenset(scopes), _owned(row))
    settings = merged(row.settings, request.settings, request.clear, "settings")
    if settings != row.settings:
        desk.require("write", "settings", _owned(row))
        check_locks(row.settings, settings, desk.above(_owned(row), key=True))
    limits = merged(row.limits, request.limits, request.clear, "limits")
    if limits != row.limits:
        desk.require("write", "limits", _owned(row))
        check_limits(limits, desk.tools.tiers)
    disabled_at = row.disabled_at
    if request.disabled is not None:
        disabled_at = (disabled_at or desk.now) if request.disabled else None
    expires_at = row.expires_at if request.expires_at is None else _later(request.expires_at, desk.now)
    changed = msgspec.structs.replace(
        row,
        name=row.name if request.name is None else request.name,
        scopes=scopes,
        settings=settings,
        limits=limits,
        disabled_at=disabled_at,
        expires_at=None if "expires_at" in request.clear else expires_at,
    )
    store.change(desk.connection, changed)
    desk.record("key.update", row.id, row.org_id, before=row, after=changed)
    return _public(desk, changed)


def rotate(desk: Desk, request: asked.RotateKey) -> shapes.ApiKey:
    """Makes a key like another, which stops after the overlap; spending caps go on as far used as they are.

    The new key is in this answer and in no other.
    """
    row = _row(desk, request.id)
    desk.require("write", "keys", _owned(row))
    require_key_scopes(desk.actor, frozenset(row.scopes), _owned(row))
    id = desk.fresh.id("key")
    if store.find(desk.connection, id) is None:  # else a second try
        if (status := _status(row, desk.now)) != "active":
            raise Conflict(f"This key is {status}; only an active one can be rotated.")
        budgets.inherit(desk.connection, f"key:{row.id}", f"key:{id}", now_ms=desk.now_ms)
    ends = desk.now + request.overlap_seconds
    old = msgspec.structs.replace(row, expires_at=ends if row.expires_at is None else min(ends, row.expires_at))
    store.change(desk.connection, old)
    desk.record("key.rotate", row.id, row.org_id, before=row, after=old)
    key = desk.fresh.key()
    new = msgspec.structs.replace(
        row, id=id, masked=mask(key), created_at=desk.now, disabled_at=None, last_used_at=None, rotated_from=row.id
    )
    return _added(desk, new, key, "key.create")


def delete(desk: Desk, request: asked.One) -> shapes.ApiKey:
    """Makes a key stop working, within half a second on every replica and for good."""
    row = _row(desk, request.id)
    desk.require("write", "keys", _owned(row))
    revoked = msgspec.structs.replace(row, revoked_at=desk.now if row.revoked_at is None else row.revoked_at)
    store.change(desk.connection, revoked)
    if revoked != row:
        desk.record("key.delete", row.id, row.org_id, before=row, after=revoked)
    return _public(desk, revoked)


def _added(desk: Desk, row: KeyRow, key: str, action: str) -> shapes.ApiKey:
    if store.add(desk.connection, row, desk.tools.hasher.digest(key)):
        desk.record(action, row.id, row.org_id, after=row)
    else:  # a second try; but not of another request, and not when the key was changed since
        there = store.find(desk.connection, row.id)
        if there is None or msgspec.structs.replace(there, created_at=row.created_at, last_used_at=None) != row:
            raise Conflict("The idempotency key was used for another request.")
        row = there
    return msgspec.structs.replace(_public(desk, row), key=key)


def _row(desk: Desk, key_id: str) -> KeyRow:
    row = store.find(desk.connection, key_id)
    if row is None:
        raise NotFound(f"There is no key `{key_id[:60]}`.")
    return row


def _owned(row: KeyRow) -> Owned:
    return Owned(row.org_id, row.team_id, row.user_id)


def _public(desk: Desk, row: KeyRow) -> shapes.ApiKey:
    resolved = resolve([*desk.above(_owned(row), key=True), ("key", row.settings)])
    policy = resolved.policy
    if resolved.byok:
        own = byok.usable(desk.connection, row.org_id, row.team_id, row.user_id)
        policy = msgspec.structs.replace(policy, byok=own)
    values = {name: getattr(row, name) for name in row.__struct_fields__ if name not in ("team_id", "user_id")}
    return shapes.ApiKey(
        **values,
        team_id=row.team_id or None,
        user_id=row.user_id or None,
        status=_status(row, desk.now),
        policy=policy,
        policy_source=policy_source(policy),
        credits=_credits(desk, row.id),
    )


def _credits(desk: Desk, key_id: str) -> shapes.KeyCredits | None:
    """The key's spending cap; of several, that of the shortest period."""
    found = budgets.of(desk.connection, [f"key:{key_id}"], desk.now_ms)
    state = min(found, key=lambda each: PERIODS.index(each.period), default=None)
    if state is None:
        return None
    period = shapes.SpendPeriod(
        limit=usd(state.limit),
        used=usd(state.spent),
        refresh=state.period,
        next_refresh=None if state.refreshes_ms is None else state.refreshes_ms // 1000,
    )
    return shapes.KeyCredits(period=period)


def _status(row: KeyRow, now: int) -> shapes.KeyStatus:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and now >= row.expires_at:
        return "expired"
    return "active" if row.disabled_at is None else "disabled"


def _scopes(scopes: list[str]) -> list[str]:
    if not scopes:
        return [INFERENCE]
    for scope in scopes:
        if scope not in SCOPES:
            raise InvalidRequest(f"There is no scope `{scope[:60]}`; there are {', '.join(SCOPES)}.", param="scopes")
    return sorted(set(scopes), key=SCOPES.index)


def _later(at: int | None, now: int) -> int | None:
    if at is not None and at <= now:
        raise InvalidRequest("`expires_at` is a time that has passed.", param="expires_at")
    return at
