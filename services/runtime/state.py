"""What outlives a request, as these settings want it kept."""

from services.runtime.settings import Settings
from services.storage.database import Database
from services.storage.sealing import Sealer, keys_of
from services.store.store import DAY_S, Store


def store_of(settings: Settings, database: Database) -> Store:
    """Stored responses and conversations."""
    key = settings.encryption_key
    sealer = Sealer(keys_of(key.reveal()) if key is not None else ())
    return Store(database, sealer, retention_s=settings.store_days * DAY_S)
