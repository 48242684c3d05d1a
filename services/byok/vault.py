"""Opens sealed credentials for those who call providers with them."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import structlog

from services.byok import store
from services.storage.database import Database
from services.storage.sealing import Sealer, Unsealable

_VALUES: Final = msgspec.json.Decoder(dict[str, str])
_log = structlog.get_logger("byok")


class Vault:
    """The credentials of a database. `database`: asked for when the first credential is."""

    def __init__(self, database: Callable[[], Database], sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def open(self, id: str) -> tuple[str, Mapping[str, str]] | None:
        """Provider and values of a credential; None when there is none that can be used. Raises `Overloaded`."""
        found = await self._database().read(lambda connection: store.sealed(connection, id))
        if found is None:
            return None
        provider, sealed = found
        try:
            return provider, _VALUES.decode(self._sealer.open(sealed, id))
        except Unsealable as error:
            _log.error("credential cannot be opened", credential_id=id, error=str(error))
            return None
