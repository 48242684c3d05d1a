"""Credit outside of calls: accounts, top-ups, refunds, corrections. On a connection, in its transaction.

Each transfer has an idempotency key: the same one again with the same content is the transfer that is there already, and
with another a `Conflict`. Amounts are nano-dollars, times milliseconds since 1970.
"""

from typing import Final, Literal

import msgspec
import sqlalchemy as sa

from services.billing.ledger.operations import ADJUSTMENTS, FUNDING, REVENUE
from services.billing.ledger.refusal import dollars
from services.billing.ledger.tables import accounts, transfers
from services.errors import Conflict, InsufficientCredits, InvalidRequest, NotFound
from services.storage.schema import upsert

AMOUNT_MAX: Final = 10**18
"""A billion dollars: sums of a few such still are 64-bit numbers."""

Kind = Literal["top_up", "hold", "capture", "void", "refund", "adjustment", "shortfall"]


class AccountRow(msgspec.Struct, frozen=True):
    """balance: holds not counted. held: set aside for calls under way. metered: it cannot spend what it does not have."""

    id: str
    metered: bool
    balance: int
    held: int
    created_ms: int


class Transfer(msgspec.Struct, frozen=True):
    """Money moved from `debit` to `credit`. owner: in whose statement it stands."""

    id: str
    created_ms: int
    kind: Kind
    debit: str
    credit: str
    amount: int
    owner: str
    response_id: str = ""
    key_id: str = ""
    description: str = ""

    @property
    def signed(self) -> int:
        """The amount as its owner sees it: negative when paid."""
        return -self.amount if self.debit == self.owner else self.amount


def open_account(connection: sa.Connection, account: str, *, metered: bool, now_ms: int) -> None:
    """Makes sure that there is an account; one that is there stays as it is."""
    row = {"id": account, "metered": metered, "created_ms": now_ms}
    connection.execute(upsert(connection, accounts).values(row).on_conflict_do_nothing())


def set_metered(connection: sa.Connection, account: str, *, metered: bool) -> None:
    """Whether the account can spend only what it has. Raises `Conflict` when it has spent more than that already."""
    found = _locked(connection, account)
    if metered and found.balance < found.held:
        owed = dollars(found.held - found.balance)
        raise Conflict(
            f"The account has spent {owed} more than it has. Top it up before its balance becomes its limit."
        )
    connection.execute(sa.update(accounts).where(accounts.c.id == account).values(metered=metered))


def top_up(
    connection: sa.Connection, account: str, amount: int, *, key: str, now_ms: int, description: str = "Credits"
) -> Transfer:
    """Adds credit; the account is opened if there is none. `key`: the idempotency key. Raises `Conflict`."""
    _check(amount, "amount")
    open_account(connection, account, metered=True, now_ms=now_ms)
    return _move(
        connection,
        Transfer(f"top_up/{account}/{key}", now_ms, "top_up", FUNDING, account, amount, account, "", "", description),
    )


def adjust(
    connection: sa.Connection, account: str, amount: int, *, key: str, now_ms: int, description: str
) -> Transfer:
    """Corrects a balance, up or (negative) down, not below what is held. Raises `InsufficientCredits`, `Conflict`."""
    _check(abs(amount), "amount")
    debit, credit = (ADJUSTMENTS, account) if amount > 0 else (account, ADJUSTMENTS)
    id_ = f"adjustment/{account}/{key}"
    return _move(
        connection, Transfer(id_, now_ms, "adjustment", debit, credit, abs(amount), account, "", "", description)
    )


def refund(
    connection: sa.Connection, response_id: str, amount: int | None, *, key: str, now_ms: int, description: str = ""
) -> Transfer:
    """Gives back what a response cost, or a part; never more than it did. Raises `NotFound`, `InvalidRequest`, `Conflict`."""
    found = connection.execute(sa.select(transfers).where(transfers.c.id == f"{response_id}/capture")).one_or_none()
    if found is None:
        raise NotFound(f"Nothing was charged for {response_id}.")
    _locked(connection, found.owner)
    given = connection.execute(
        sa.select(transfers.c.id, transfers.c.amount).where(
            transfers.c.response_id == response_id, transfers.c.kind == "refund"
        )
    ).all()
    id_ = f"refund/{response_id}/{key}"
    left = found.amount - sum(row.amount for row in given if row.id != id_)
    amount = left if amount is None else amount
    _check(amount, "amount") if left else None
    if amount > left or not left:
        raise InvalidRequest(f"{dollars(left)} of what {response_id} cost can still be given back.", param="amount")
    description = description or f"Refund - {found.description.removeprefix('API usage - ')}"
    return _move(
        connection,
        Transfer(
            id_, now_ms, "refund", REVENUE, found.owner, amount, found.owner, response_id, found.key_id, description
        ),
    )


def find_account(connection: sa.Connection, account: str) -> AccountRow | None:
    """The account, None when there is none."""
    row = connection.execute(sa.select(accounts).where(accounts.c.id == account)).one_or_none()
    return None if row is None else AccountRow(row.id, row.metered, row.balance, row.held, row.created_ms)


def find_transfer(connection: sa.Connection, id: str) -> Transfer | None:
    """The transfer, None when there is none."""
    row = connection.execute(sa.select(transfers).where(transfers.c.id == id)).one_or_none()
    return None if row is None else Transfer(*row)


def statement(connection: sa.Connection, account: str, *, limit: int = 20, after: str | None = None) -> list[Transfer]:
    """What was paid in, used and given back, newest first; holds are not in it. after: the id of the last one seen."""
    shown = transfers.c.kind.not_in(("hold", "void"))
    query = sa.select(transfers).where(transfers.c.owner == account, shown)
    if after is not None:
        last = find_transfer(connection, after)
        if last is None or last.owner != account:
            raise NotFound(f"There is no transaction {after}.")
        query = query.where(sa.tuple_(transfers.c.created_ms, transfers.c.id) < (last.created_ms, last.id))
    rows = connection.execute(query.order_by(transfers.c.created_ms.desc(), transfers.c.id.desc()).limit(limit))
    return [Transfer(*row) for row in rows]


def _move(connection: sa.Connection, transfer: Transfer) -> Transfer:
    """Posts it once. What is there already under its id is returned, if it says the same."""
    _locked(connection, transfer.owner)
    there = find_transfer(connection, transfer.id)
    if there is not None:
        if (there.debit, there.credit, there.amount) != (transfer.debit, transfer.credit, transfer.amount):
            raise Conflict(f"The idempotency key was used for another transfer, of {dollars(there.amount)}.")
        return there
    connection.execute(sa.insert(transfers).values(msgspec.structs.asdict(transfer)))
    house = transfer.credit if transfer.debit == transfer.owner else transfer.debit
    for account, amount in (
        (transfer.owner, transfer.signed),
        (house, -transfer.signed),
    ):  # the house's lock comes last
        changed = sa.update(accounts).where(accounts.c.id == account).values(balance=accounts.c.balance + amount)
        if amount < 0 and account == transfer.owner:
            enough = accounts.c.balance + amount >= accounts.c.held
            changed = changed.where(sa.or_(sa.not_(accounts.c.metered), enough))
        if connection.execute(changed).rowcount == 0:
            raise InsufficientCredits(f"The balance has less than {dollars(-amount)} left that is not held for calls.")
    return transfer


def _locked(connection: sa.Connection, account: str) -> AccountRow:
    row = connection.execute(sa.select(accounts).where(accounts.c.id == account).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"There is no account {account}.")
    return AccountRow(row.id, row.metered, row.balance, row.held, row.created_ms)


def _check(amount: int, param: str) -> None:
    if not 0 < amount <= AMOUNT_MAX:
        raise InvalidRequest(f"An amount is more than nothing and at most {dollars(AMOUNT_MAX)}.", param=param)
