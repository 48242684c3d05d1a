"""Reading what was changed."""

from services.errors import InvalidRequest
from services.management import requests as asked
from services.management import shapes
from services.management.desk import Desk
from services.tenancy import audit
from services.tenancy.audit import AuditRow
from services.tenancy.authority import Owned

_PREFIX = "audit_"


def list_(desk: Desk, request: asked.ListAudit) -> shapes.ListAuditEventsResponse:
    """Changes in an organisation, the latest first; for operators that name none, in all."""
    everything = request.org_id is None and desk.actor.is_operator
    org_id = None if everything else desk.org_id(request.org_id)
    if org_id is not None:
        desk.require("read", "audit", Owned(org_id))
    before = _number(request.after) if request.after is not None else None
    rows = audit.rows(desk.connection, org_id, before=before, limit=request.limit + 1, entity_id=request.entity_id)
    return shapes.page(shapes.ListAuditEventsResponse, [_public(row) for row in rows], request.limit)


def _number(id: str) -> int:
    digits = id.removeprefix(_PREFIX)
    if not id.startswith(_PREFIX) or not digits.isdecimal() or len(digits) > 18:
        raise InvalidRequest("`after` must be the id of an audit event.", param="after")
    return int(digits)


def _public(row: AuditRow) -> shapes.AuditEvent:
    return shapes.AuditEvent(
        id=f"{_PREFIX}{row.seq}",
        created_at=row.at,
        org_id=row.org_id,
        actor=row.actor,
        user_id=row.user_id or None,
        action=row.action,
        entity_id=row.entity_id,
        before=row.before,
        after=row.after,
    )
