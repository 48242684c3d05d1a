"""Operations on provider credentials that are brought. What they hold goes in and never comes out."""

import msgspec

from services.byok import store
from services.byok.store import CredentialRow
from services.byok.values import checked, mask_of
from services.catalog.schema import Provider
from services.errors import InvalidRequest, NotFound
from services.management import requests as asked
from services.management import shapes
from services.management.desk import Desk
from services.tenancy.authority import Owned, may


def create(desk: Desk, request: asked.CreateProviderCredential) -> shapes.ProviderCredential:
    """Keeps a credential, sealed. It is used from the next call on."""
    owned = desk.place(request.org_id, request.team_id, request.user_id)
    desk.require("write", "byok", owned)
    provider = _provider(desk, request.provider)
    values = checked(provider, request.secret, request.values)
    row = CredentialRow(
        id=desk.fresh.id("byok"),
        org_id=owned.org_id,
        team_id=owned.team_id,
        user_id=owned.user_id,
        provider=provider.id,
        name=request.name,
        masked=mask_of(provider, values),
        created_at=desk.now,
    )
    if store.add(desk.connection, row, _sealed(desk, row.id, values)):
        desk.record("byok.create", row.id, row.org_id, after=row)
    else:  # a second try
        row = _row(desk, row.id)
    return _public(row)


def list_(desk: Desk, request: asked.Some) -> shapes.ListProviderCredentialsResponse:
    """Credentials of an organisation that the caller may see."""
    org_id = desk.org_id(request.org_id)
    desk.require("read", "byok", Owned(org_id, desk.actor.team_id, desk.actor.user_id))
    rows = store.page(desk.connection, org_id, after=request.after, limit=request.limit + 1)
    seen = [row for row in rows if may(desk.actor, "read", "byok", _owned(row))]
    made = shapes.page(
        shapes.ListProviderCredentialsResponse, [_public(row) for row in seen[: request.limit]], request.limit
    )
    if len(rows) <= request.limit:
        return made
    return msgspec.structs.replace(made, has_more=True, last_id=rows[request.limit - 1].id)


def get(desk: Desk, request: asked.One) -> shapes.ProviderCredential:
    """One credential: everything but itself."""
    row = _row(desk, request.id)
    desk.require("read", "byok", _owned(row))
    return _public(row)


def update(desk: Desk, request: asked.UpdateProviderCredential) -> shapes.ProviderCredential:
    """Changes a credential; with `secret` or `values` all that it holds is replaced."""
    before = _row(desk, request.id)
    desk.require("write", "byok", _owned(before))
    after, sealed = before, None
    if request.secret is not None or request.values:
        provider = _provider(desk, before.provider)
        values = checked(provider, request.secret, request.values)
        sealed = _sealed(desk, before.id, values)
        after = msgspec.structs.replace(after, masked=mask_of(provider, values))
    if request.name is not None:
        after = msgspec.structs.replace(after, name=request.name)
    if request.disabled is not None:
        disabled_at = (before.disabled_at or desk.now) if request.disabled else None
        after = msgspec.structs.replace(after, disabled_at=disabled_at)
    store.change(desk.connection, after, sealed)
    desk.record("byok.update", after.id, after.org_id, before=before, after=after)
    return _public(after)


def delete(desk: Desk, request: asked.One) -> shapes.Deleted:
    """Takes a credential away, and what it held out of the database."""
    before = _row(desk, request.id)
    desk.require("write", "byok", _owned(before))
    store.delete(desk.connection, before.id, at=desk.now)
    desk.record("byok.delete", before.id, before.org_id, before=before)
    return shapes.Deleted(id=before.id, object="provider_credential.deleted")


def _sealed(desk: Desk, id: str, values: dict[str, str]) -> bytes:
    return desk.tools.sealer.seal(msgspec.json.encode(values), id)


def _provider(desk: Desk, name: str) -> Provider:
    found = desk.tools.provider(name)
    if found is None:
        raise InvalidRequest(f"There is no provider `{name[:60]}`.", param="provider")
    return found


def _row(desk: Desk, id: str) -> CredentialRow:
    row = store.find(desk.connection, id)
    if row is None:
        raise NotFound(f"There is no provider credential `{id[:60]}`.")
    return row


def _owned(row: CredentialRow) -> Owned:
    return Owned(row.org_id, row.team_id, row.user_id)


def _public(row: CredentialRow) -> shapes.ProviderCredential:
    values = msgspec.structs.asdict(row)
    return shapes.ProviderCredential(**{**values, "team_id": row.team_id or None, "user_id": row.user_id or None})
