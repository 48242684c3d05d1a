"""The database these settings name."""

from time import time

from services.billing.founding import found_account
from services.runtime.settings import Settings, SettingsError
from services.storage.database import Database, open_database
from services.storage.engines import UnusableDatabase
from services.storage.migrate import migrate as bring_up


def opened(settings: Settings) -> Database:
    """The database as it is; nothing is connected yet. Raises `SettingsError`."""
    url = settings.database_url
    try:
        return open_database(settings.data_dir, url.reveal() if url else None)
    except UnusableDatabase as error:
        raise SettingsError(f"DATABASE_URL {error}.") from None


def ready(settings: Settings) -> Database:
    """The database, at the revision of this code. Raises `SettingsError`."""
    database = opened(settings)
    _bring_up(settings, database)
    return database


def prepare(settings: Settings) -> None:
    """What must be there before the first request: the tables, and the account of the first organisation."""
    database = ready(settings)
    with database.begin() as connection:
        found_account(connection, settings.bootstrap_credits_usd, now_ms=int(time() * 1000))


def migrate(settings: Settings) -> tuple[str | None, str | None]:
    """Brings the database up; the revisions before and after. Raises `SettingsError`."""
    return _bring_up(settings, opened(settings))


def _bring_up(settings: Settings, database: Database) -> tuple[str | None, str | None]:
    try:
        return bring_up(database)
    except UnusableDatabase as error:
        if settings.database_url is None:
            where = f"CONCENTRATE_DATA_DIR: the database cannot be kept in {settings.data_dir}"
        else:
            where = "DATABASE_URL: the database cannot be used"
        raise SettingsError(f"{where}: {error}.") from None
