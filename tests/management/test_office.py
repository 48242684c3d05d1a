"""Operations on both kinds of database: in one transaction, with rights of that moment, also when they run twice."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from services.byok import store as byok
from services.byok.vault import Vault
from services.catalog.reading import read
from services.errors import NotFound, PermissionDenied
from services.keys.tables import api_keys
from services.management import money_requests, operations, requests
from services.management.desk import Desk, Fresh, Tools
from services.management.office import Office
from services.management.operations import ALL
from services.storage.sealing import Sealer, Unsealable
from services.tenancy.authority import COMMAND_LINE
from services.tenancy.tables import audit
from tests.keys.kit import Clock, Keys, opened
from tests.storage.kit import KINDS, url_of

ROWS = {row.id: row for row in read().providers}


@pytest.fixture(params=KINDS)
async def keys(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Keys]:
    async with opened(tmp_path, Clock(), url_of(request)) as made:
        tools = Tools(made.hasher, Sealer([b"c" * 32]), ROWS.get)
        made.office = Office(made.database, tools, made.ring, clock=made.ring._clock)
        yield made


async def asked(keys: Keys, key: str, operation: Any, request: Any) -> Any:
    caller = await keys.ring.verify(None, key, scope=None)
    return await keys.office.run(operation, caller, request)


async def test_rights_are_those_of_the_moment(keys: Keys):
    """A member who became an admin may, at the next request; one who was taken away may not, with no key of theirs."""
    here = keys.office.run_here
    org = here(operations.CREATE_ORGANIZATION, requests.CreateOrganization(name="o", owner_name="Olga"))
    user = here(operations.CREATE_USER, requests.CreateUser(org_id=org.id, name="Max"))
    key, _ = keys.create(org_id=org.id, user_id=user.id, scopes=["admin"])
    team = requests.CreateTeam(name="t")
    with pytest.raises(PermissionDenied):
        await asked(keys, key, operations.CREATE_TEAM, team)
    here(operations.UPDATE_USER, requests.UpdateUser(id=user.id, role="admin"))
    assert (await asked(keys, key, operations.CREATE_TEAM, team)).org_id == org.id
    with pytest.raises(NotFound):
        await asked(keys, key, operations.GET_ORGANIZATION, requests.One(id="org_default"))


async def test_what_is_changed_here_is_known_here_at_once(keys: Keys):
    """The process that revokes a key does not wait for the next question."""
    operator, _ = keys.create(scopes=["operator"])
    key, row = keys.create()
    await keys.ring.verify(f"Bearer {key}", None)
    await asked(keys, operator, operations.DELETE_KEY, requests.One(id=row.id))
    with pytest.raises(Exception, match="revoked"):
        await keys.ring.verify(f"Bearer {key}", None)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        (operations.CREATE_KEY, requests.CreateKey(name="twice")),
        (operations.CREATE_ORGANIZATION, requests.CreateOrganization(name="o", owner_name="Olga")),
        (operations.CREATE_TEAM, requests.CreateTeam(name="t")),
        (operations.CREATE_USER, requests.CreateUser(name="u")),
        (operations.CREATE_PROVIDER_CREDENTIAL, requests.CreateProviderCredential(provider="openai", secret="k" * 20)),
        (operations.CREATE_TRANSACTION, money_requests.CreateTransaction(type="top_up", amount=Decimal(5))),
    ],
)
async def test_work_that_runs_twice_makes_one_thing(keys: Keys, operation: Any, request_: Any):
    """The transaction may have been committed when its answer was lost: a second run finds what the first made."""
    fresh, tools = Fresh(), keys.office._tools
    answers, rows = [], []
    for _ in range(2):
        with keys.database.begin() as connection:
            answers.append(operation.run(Desk(connection, COMMAND_LINE, 5_000_000, fresh, tools), request_))
            rows.append(connection.execute(sa.select(sa.func.count()).select_from(audit)).scalar())
    assert answers[0] == answers[1]
    assert rows[0] == rows[1]


async def test_use_is_summed_on_either_database(keys: Keys):
    """Nothing was used: no rows, and no error."""
    for by in ("day", "", "day,model,provider,key,user,team"):
        assert keys.office.run_here(operations.LIST_USAGE, money_requests.ListUsage(group_by=by)).data == []


async def test_credentials_are_sealed_anew_when_the_key_changes(keys: Keys):
    """Once that is done the old key may go; what only a lost key opens stays as it is."""
    old, new = b"c" * 32, b"n" * 32
    made = keys.office.run_here(
        operations.CREATE_PROVIDER_CREDENTIAL, requests.CreateProviderCredential(provider="openai", secret="s" * 24)
    )
    for sealer, count in ((Sealer([new]), 0), (Sealer([new, old]), 1), (Sealer([new, old]), 0)):
        with keys.database.begin() as connection:
            assert byok.reseal(connection, sealer) == count
    assert await Vault(lambda: keys.database, Sealer([new])).open(made.id) == ("openai", {"OPENAI_API_KEY": "s" * 24})


async def test_a_credential_is_sealed_for_its_row_and_secret(keys: Keys):
    """Copied into another row, or read with another secret, it opens nothing; deleted, it is gone from the database."""
    made = [
        keys.office.run_here(
            operations.CREATE_PROVIDER_CREDENTIAL, requests.CreateProviderCredential(provider="openai", secret=secret)
        )
        for secret in ("first-secret-0123456789", "second-secret-012345678")
    ]
    sealer = keys.office._tools.sealer
    vault = Vault(lambda: keys.database, sealer)
    assert await vault.open(made[0].id) == ("openai", {"OPENAI_API_KEY": "first-secret-0123456789"})
    _, sealed = await keys.database.read(lambda connection: byok.sealed(connection, made[0].id))
    assert b"first-secret" not in sealed
    for other, id in ((Sealer([b"d" * 32]), made[0].id), (sealer, made[1].id)):
        with pytest.raises(Unsealable):
            other.open(sealed, id)
    assert await Vault(lambda: keys.database, Sealer([b"d" * 32])).open(made[0].id) is None
    keys.office.run_here(operations.DELETE_PROVIDER_CREDENTIAL, requests.One(id=made[0].id))
    assert await vault.open(made[0].id) is None
    with keys.database.begin() as connection:
        everything = str(connection.execute(sa.text("SELECT * FROM provider_credentials")).all())
    assert str(sealed) not in everything


async def test_no_key_is_in_the_tables(keys: Keys):
    """Neither whole nor in parts, but for the last four characters."""
    key, _ = keys.create("x")
    with keys.database.begin() as connection:
        rows = str([connection.execute(sa.select(table)).all() for table in (api_keys, audit)])
    assert key not in rows
    assert key[9:30] not in rows
    assert key[-4:] in rows


def test_every_operation_is_served_and_has_its_own_words():
    """In the JSON face and in one typed service, with structs of one name each."""
    from services.management import http_service, typed_service

    served = {rpc.name for rpc in http_service._SERVICE.methods}
    typed = [rpc.name for service, _, _ in typed_service.SERVICES for rpc in service.methods]
    assert served == set(ALL) == set(typed)
    assert len(typed) == len(served)
    for operation in ALL.values():
        assert msgspec.json.schema(operation.answered)
