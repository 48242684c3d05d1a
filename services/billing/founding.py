"""The account of the first organisation: unlimited, unless the operator says what it starts with."""

from decimal import Decimal
from typing import Final

import sqlalchemy as sa

from services.billing.ledger import funds
from services.billing.money import NANO
from services.vocabulary.caller import DEFAULT_ORG

ACCOUNT: Final = f"org:{DEFAULT_ORG}"
_KEY: Final = "first"


def found_account(connection: sa.Connection, dollars: Decimal | None, *, now_ms: int) -> None:
    """Opens the account with so much credit; None: nothing limits it. Once it has a limit, later starts change nothing."""
    found = funds.find_account(connection, ACCOUNT)
    if found is None:
        funds.open_account(connection, ACCOUNT, metered=dollars is not None, now_ms=now_ms)
    elif found.metered or dollars is None or funds.find_transfer(connection, f"top_up/{ACCOUNT}/{_KEY}") is not None:
        return
    elif found.balance < 0:
        why = "Used before there was a limit"
        funds.adjust(connection, ACCOUNT, -found.balance, key=_KEY, now_ms=now_ms, description=why)
    if dollars is None:
        return
    if amount := int(dollars * NANO):
        funds.top_up(connection, ACCOUNT, amount, key=_KEY, now_ms=now_ms, description="First credits")
    funds.set_metered(connection, ACCOUNT, metered=True)
