"""Whatever happens in whatever order, the books balance: random calls, retries, expiries, refunds, on both databases.

python -m pytest tests/billing/test_money_properties.py --money-examples 2000 --timeout 0     # the long run
"""

import shutil
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.exc import IntegrityError

from services.billing.ledger import budgets, funds
from services.billing.ledger.operations import Granted, Settled
from services.billing.ledger.posting import post
from services.billing.ledger.tables import accounts, transfers
from services.billing.ledger.tables import budgets as budgets_table
from services.billing.ledger.tables import holds as holds_table
from services.billing.usage_tables import usage, usage_daily
from services.errors import GatewayError
from services.storage.batch import Kind, apply
from services.storage.database import Database, open_database
from services.storage.migrate import migrate
from services.storage.statements import Statements
from tests.billing.ledger_kit import CENT, DAY_MS, NOON_MS, check, release, reserve, settle

ACCOUNTS = ("org:a", "org:b", "org:free")
KEYS = ("key:1", "key:2")
EMPTIED = ("spend_events", "holds", "transfers", "budgets", "usage", "usage_daily")

ids = st.integers(0, 12).map("r{}".format)
cents = st.integers(1, 60).map(lambda n: n * CENT + n)
owners = st.sampled_from(ACCOUNTS)
keys = st.sampled_from(KEYS)


class Money(RuleBasedStateMachine):
    """Operations, alone and several in one transaction, as replicas send them: also again, and too late."""

    database: Database

    @initialize()
    def begin(self) -> None:
        with self.database.begin() as connection:
            for table in EMPTIED:
                connection.exec_driver_sql(f"DELETE FROM {table}")
            connection.execute(sa.delete(accounts).where(accounts.c.id.like("org:%")))
            connection.execute(sa.update(accounts).values(balance=0, held=0))
            funds.open_account(connection, "org:free", metered=False, now_ms=NOON_MS)
            for account in ("org:a", "org:b"):
                funds.open_account(connection, account, metered=True, now_ms=NOON_MS)
        self.now = NOON_MS
        self.charged: dict[str, int] = {}
        self.owner: dict[str, tuple[str, str]] = {}
        self.caps: dict[str, int] = {}
        self.failed: set[str] = set()  # given up by whoever asked: nobody sends a bill for these any more

    def do(self, *operations):
        """All in one transaction; what fails fails alone."""
        kind = Kind(driven=post)
        with self.database.begin() as connection:
            answers = apply(connection, Statements(connection), [(kind, each) for each in operations])
        for operation, answer in zip(operations, answers, strict=True):
            if isinstance(answer, Settled):
                assert operation.response_id not in self.charged, "charged twice"
                assert answer.charged + answer.shortfall == operation.amount
                self.charged[operation.response_id] = answer.charged
            assert not isinstance(answer, Exception) or isinstance(answer, GatewayError | IntegrityError), answer
        return answers

    def order(self, id: str, want: int, *, flexible: bool = False):
        account, key = self.owner[id]
        least = want // 3 if flexible else want
        return reserve(
            id,
            want,
            account=account,
            scopes=(account, key),
            now=self.now,
            flexible=flexible,
            least=least,
            minimum=least // 2,
        )

    def bill(self, id: str, amount: int):
        account, key = self.owner[id]
        return settle(id, amount, account=account, scopes=(account, key), began=self.now, now=self.now)

    @rule(owner=owners, amount=cents, key=st.integers(0, 5))
    def pays_in(self, owner, amount, key):
        self.transfer(lambda c: funds.top_up(c, owner, amount, key=str(key), now_ms=self.now))

    @rule(owner=owners, amount=st.integers(-30, 30).filter(bool), key=st.integers(0, 3))
    def is_corrected(self, owner, amount, key):
        self.transfer(lambda c: funds.adjust(c, owner, amount * CENT, key=str(key), now_ms=self.now, description="x"))

    @rule(id=ids, amount=st.none() | cents, key=st.integers(0, 2))
    def is_refunded(self, id, amount, key):
        self.transfer(lambda c: funds.refund(c, id, amount, key=str(key), now_ms=self.now))

    @rule(scope=keys | st.just("org:a"), period=st.sampled_from(["day", "total"]), limit=cents)
    def is_capped(self, scope, period, limit):
        name = f"{scope}/{period}"
        if name not in self.caps or self.caps[name] < limit:  # one that is lowered may have been passed already
            with self.database.begin() as connection:
                used = budgets.put(connection, scope, period, limit, now_ms=self.now).spent
            self.caps[name] = max(limit, used)

    @rule(id=ids, owner=owners, key=keys, want=cents, flexible=st.booleans())
    def asks(self, id, owner, key, want, flexible):
        self.owner.setdefault(id, (owner, key))
        (answer,) = self.do(self.order(id, want, flexible=flexible))
        if isinstance(answer, Granted):
            assert answer.amount <= want

    @rule(id=ids, amount=st.just(0) | cents, again=st.booleans())
    def is_answered(self, id, amount, again):
        """`again`: the settlement is sent twice, in one transaction."""
        if id in self.owner and id not in self.failed:
            self.do(*[self.bill(id, amount)] * (1 + again))

    @rule(id=ids, expired=st.booleans())
    def is_given_up(self, id, expired):
        if id in self.owner and id not in self.charged:
            if not expired:
                self.failed.add(id)
            self.do(release(id, account=self.owner[id][0], now=self.now, expired=expired))

    @rule(data=st.data())
    def much_at_once(self, data):
        """Orders, bills and releases of several calls in one transaction, in any order."""
        known = sorted(self.owner)
        if not known:
            return
        operations = []
        for _ in range(data.draw(st.integers(2, 8))):
            id = data.draw(st.sampled_from(known))
            match data.draw(st.integers(0, 2)):
                case 0:
                    operations.append(self.order(id, data.draw(cents)))
                case 1 if id not in self.failed:
                    operations.append(self.bill(id, data.draw(cents)))
                case _:
                    operations.append(release(id, account=self.owner[id][0], now=self.now, expired=True))
        self.do(*operations)

    @rule(days=st.integers(0, 2), ms=st.integers(0, DAY_MS // 2))
    def time_passes(self, days, ms):
        self.now += days * DAY_MS + ms

    @invariant()
    def the_books_balance(self):
        if not hasattr(self, "caps"):
            return
        with self.database.begin() as connection:
            check(connection)
            for row in connection.execute(sa.select(budgets_table)):
                assert row.spent <= self.caps[f"{row.scope}/{row.period}"], row
            paid = connection.execute(
                sa.select(transfers.c.response_id, transfers.c.amount).where(transfers.c.kind == "capture")
            ).all()
            assert dict(map(tuple, paid)) == {id: amount for id, amount in self.charged.items() if amount}
            refunded = sa.select(sa.func.sum(transfers.c.amount)).where(transfers.c.kind == "refund")
            for id, amount in paid:
                assert (connection.execute(refunded.where(transfers.c.response_id == id)).scalar() or 0) <= amount

    def transfer(self, work) -> None:
        try:
            with self.database.begin() as connection:
                work(connection)
        except GatewayError:
            pass


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_books_balance_whatever_happens(kind: str, request: pytest.FixtureRequest):
    """Balances are the sums of transfers, all of them together are nothing, none falls below what is held of it."""
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    try:
        database = open_database(folder, url)
        migrate(database)
        machine = type("MoneyOn", (Money,), {"database": database})
        asked = request.config.getoption("--money-examples")
        examples = asked or (15 if kind == "sqlite" else 6)
        run_state_machine_as_test(
            machine,
            settings=settings(max_examples=examples, stateful_step_count=25, derandomize=not asked),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


assert {usage.name, usage_daily.name, holds_table.name} <= set(EMPTIED)
