"""Operations on credit: what there is, where it went, and moving some."""

from typing import Final

from services.billing.ledger import funds
from services.billing.ledger.funds import Transfer
from services.errors import InvalidRequest
from services.management import money_requests as asked
from services.management import money_shapes as shapes
from services.management.amounts import nano, usd
from services.management.desk import Desk
from services.management.requests import Some
from services.management.shapes import page
from services.management.usage import in_the_books
from services.tenancy.authority import Owned, require_operator

_TYPES: Final[dict[str, shapes.TransactionType]] = {
    "top_up": "top_up",
    "capture": "usage",
    "refund": "refund",
    "adjustment": "adjustment",
}


def get(desk: Desk, request: asked.GetCredits) -> shapes.Credits:
    """What an organisation has."""
    org_id = desk.org_id(request.org_id)
    desk.require("read", "credits", Owned(org_id))
    desk.organization(org_id)
    return _credits(desk, org_id)


def update(desk: Desk, request: asked.UpdateCredits) -> shapes.Credits:
    """Says whether an organisation can spend only what it has."""
    require_operator(desk.actor)
    org_id = desk.organization(desk.org_id(request.org_id)).id
    account = account_of(org_id)
    before = _credits(desk, org_id)
    funds.open_account(desk.connection, account, metered=request.limited, now_ms=desk.now_ms)
    funds.set_metered(desk.connection, account, metered=request.limited)
    after = _credits(desk, org_id)
    desk.record("credits.update", org_id, org_id, before={"limited": before.limited}, after={"limited": after.limited})
    return after


def transactions(desk: Desk, request: Some) -> shapes.ListTransactionsResponse:
    """Where an organisation's credit came from and went, the latest first."""
    org_id = desk.org_id(request.org_id)
    desk.require("read", "credits", Owned(org_id))
    desk.organization(org_id)
    rows = funds.statement(desk.connection, account_of(org_id), limit=request.limit + 1, after=request.after)
    return page(shapes.ListTransactionsResponse, [_public(row) for row in rows], request.limit)


def create_transaction(desk: Desk, request: asked.CreateTransaction) -> shapes.Transaction:
    """Adds credit, corrects it, or gives back what a response cost. The same idempotency key moves money once."""
    require_operator(desk.actor)
    key = request.idempotency_key or desk.idempotency_key or desk.fresh.id("transaction")
    now_ms = desk.now_ms
    if request.type == "refund":
        if request.response_id is None:
            raise InvalidRequest("A refund is of a response: name it in `response_id`.", param="response_id")
        amount = None if request.amount is None else nano(request.amount, "amount")
        what = request.description or "Refund"
        response_id = in_the_books(request.response_id)
        there = _is_there(desk, f"refund/{response_id}/{key}")
        row = funds.refund(desk.connection, response_id, amount, key=key, now_ms=now_ms, description=what)
        org_id = row.owner.partition(":")[2]
    else:
        if request.amount is None:
            raise InvalidRequest("`amount` is missing.", param="amount")
        org_id = desk.organization(desk.org_id(request.org_id)).id
        move = funds.top_up if request.type == "top_up" else funds.adjust
        what = request.description or ("Credits" if request.type == "top_up" else "Adjustment")
        account, amount = account_of(org_id), nano(request.amount, "amount")
        there = _is_there(desk, f"{request.type}/{account}/{key}")
        if request.type == "adjustment":
            funds.open_account(desk.connection, account, metered=True, now_ms=now_ms)
        row = move(desk.connection, account, amount, key=key, now_ms=now_ms, description=what)
    if not there:
        after = {"type": request.type, "amount": str(usd(row.signed)), "description": row.description}
        desk.record("credits.transaction", row.id, org_id, after=after)
    return _public(row)


def _is_there(desk: Desk, transfer_id: str) -> bool:
    """Whether an earlier attempt has moved the money."""
    return funds.find_transfer(desk.connection, transfer_id) is not None


def account_of(org_id: str) -> str:
    """The account that pays for an organisation."""
    return f"org:{org_id}"


def _credits(desk: Desk, org_id: str) -> shapes.Credits:
    found = funds.find_account(desk.connection, account_of(org_id))
    balance, held = (0, 0) if found is None else (found.balance, found.held)
    return shapes.Credits(
        org_id=org_id,
        limited=found is None or found.metered,
        balance=usd(balance),
        held=usd(held),
        available=usd(balance - held),
    )


def _public(row: Transfer) -> shapes.Transaction:
    return shapes.Transaction(
        id=row.id,
        created_at=row.created_ms // 1000,
        type=_TYPES[row.kind],
        description=row.description,
        amount=usd(row.signed),
        response_id=row.response_id or None,
        key_id=row.key_id or None,
    )
