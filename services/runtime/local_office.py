"""The management API for command lines: over the database of this environment, on this thread."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.catalog.reading import CatalogError, read
from services.catalog.schema import Provider
from services.management.desk import Tools
from services.management.office import Office
from services.runtime import settings
from services.runtime.keys import credentials_sealer, hasher_of, take_over
from services.runtime.storage import ready


@contextmanager
def opened(data_dir: Path | None) -> Iterator[Office]:
    """An office for whoever has the command line. Raises `SettingsError`. `data_dir`: instead of CONCENTRATE_DATA_DIR."""
    environment = {**os.environ, **({"CONCENTRATE_DATA_DIR": str(data_dir)} if data_dir else {})}
    configuration = settings.read(environment)
    hasher = hasher_of(configuration)
    database = ready(configuration)
    take_over(configuration, database, hasher)
    yield Office(database, Tools(hasher, credentials_sealer(configuration), providers(configuration)))


def providers(configuration: settings.Settings) -> Callable[[str], Provider | None]:
    """Finds the row of a provider by any of its names. The rows are read when the first one is looked for."""
    rows: dict[str, Provider] = {}

    def find(name: str) -> Provider | None:
        if not rows:
            try:
                found = read(configuration.config).providers
            except CatalogError as error:
                raise settings.SettingsError(str(error)) from error
            rows.update({each: row for row in found for each in (*row.aliases, row.id)})
        return rows.get(name)

    return find
