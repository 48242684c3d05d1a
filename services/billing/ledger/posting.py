"""Does operations of calls in a transaction: reads and locks what they touch, applies the rules, writes what has changed.

Locks are taken in one order everywhere (accounts by id, budgets by id, daily sums by key, the house's accounts last), so that
replicas wait for each other and do not deadlock. What was posted before is refused by its id, which is unique: the
transaction then fails, and the writer does its operations one by one.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.billing.ledger import sql
from services.billing.ledger.book import Account, Book, Budget, OpenHold
from services.billing.ledger.operations import HOUSE, Operation, Release, Reserve, Result, Settle
from services.errors import InsufficientCredits
from services.storage.statements import Statements

_reserved: Final = msgspec.json.Decoder(dict[str, int])
_encode: Final = msgspec.json.Encoder().encode


def post(statements: Statements, operations: Sequence[Operation]) -> Sequence[Result | Exception]:
    """An answer for each operation, or `InsufficientCredits`. Raises `IntegrityError` for what was posted before."""
    book = _read(statements, operations)
    answers = [_apply(book, operation) for operation in operations]
    _write(statements, book, [operation for operation in operations if isinstance(operation, Settle)])
    return answers


def must_last(operation: Operation) -> bool:
    """Whether it must survive a power cut: what was earned must. A hold that is lost was a promise to a process that is too."""
    return isinstance(operation, Settle)


def _apply(book: Book, operation: Operation) -> Result | InsufficientCredits:
    match operation:
        case Reserve():
            return book.reserve(operation)
        case Settle():
            return book.settle(operation)
        case Release():
            return book.release(operation)


def _read(statements: Statements, operations: Sequence[Operation]) -> Book:
    accounts = {
        row[0]: Account(row[0], bool(row[1]), row[2], row[3])
        for row in statements.rows(sql.ACCOUNTS, [operation.account for operation in operations])
    }
    closing = [operation.response_id for operation in operations if not isinstance(operation, Reserve)]
    holds = {
        row[0]: OpenHold(row[0], row[1], row[2], _reserved.decode(row[3]))
        for row in statements.rows(sql.CLOSE_HOLDS, closing)
    }
    scopes = {scope for operation in operations if not isinstance(operation, Release) for scope in operation.scopes}
    scopes |= {scope_of(budget) for hold in holds.values() for budget in hold.reserved_in}
    budgets: dict[str, list[Budget]] = {}
    for row in statements.rows(sql.BUDGETS, scopes):
        thresholds = tuple(int(percent) for percent in row[4].split(",") if percent)
        budgets.setdefault(row[1], []).append(Budget(row[0], row[1], row[2], row[3], thresholds, *row[5:]))
    return Book(accounts, budgets, holds)


def scope_of(budget_id: str) -> str:
    """The scope of a budget, by its id."""
    return budget_id.partition("/")[0]


def _write(statements: Statements, book: Book, settled: Sequence[Settle]) -> None:
    statements.run(sql.TRANSFER, book.transfers)
    statements.run(
        sql.OPEN_HOLD,
        [
            (
                hold.response_id,
                hold.account,
                hold.amount,
                _encode(hold.reserved_in).decode(),
                order.lease,
                order.expires_ms,
            )
            for hold, order in book.opened.values()
        ],
    )
    statements.run(sql.USAGE, [bill.usage for bill in settled])
    changed = [account for account in book.accounts.values() if account.paid or account.reserved]
    budgets = [budget for each in book.budgets.values() for budget in each if budget.changed]
    statements.run(sql.SPEND, [(budget.start, budget.spent, budget.held, budget.id) for budget in budgets])
    statements.run(sql.EVENT, book.events)
    statements.run(sql.DAILY, _daily(settled))
    moves = [(account.paid, account.reserved, account.id) for account in changed]
    statements.run(sql.MOVE, moves + [(book.house[name], 0, name) for name in HOUSE if book.house.get(name)])


def _daily(settled: Sequence[Settle]) -> Sequence[tuple[object, ...]]:
    """One row for each sum, in order."""
    sums: dict[tuple[str, ...], tuple[int, ...]] = {}
    for bill in settled:
        key, counts = bill.daily
        there = sums.get(key)
        sums[key] = counts if there is None else tuple(map(int.__add__, there, counts))
    return [(*key, *sums[key]) for key in sorted(sums)]
