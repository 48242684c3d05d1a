"""The secret these settings name, and the first key of a database."""

import sqlite3
from time import time

from services.byok import store as byok
from services.keys import first
from services.keys.secret import Hasher, SecretUnusable, given_hasher, load_hasher
from services.runtime.settings import Settings, SettingsError
from services.runtime.storage import ready
from services.storage.database import Database
from services.storage.sealing import Sealer, keys_of

FILE = "keys.secret"


def hasher_of(settings: Settings) -> Hasher:
    """What keys are hashed with: `CONCENTRATE_SECRET(_FILE)`, else a file of the data folder. Raises `SettingsError`."""
    folder = settings.data_dir
    try:
        given = given_hasher(settings.secret.reveal() if settings.secret else None, settings.secret_file)
    except SecretUnusable as error:
        variable = "CONCENTRATE_SECRET" if settings.secret else "CONCENTRATE_SECRET_FILE"
        raise SettingsError(f"{variable}: {error}.") from None
    if given is not None:
        return given
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return load_hasher(folder / FILE)
    except OSError as error:
        where = f" ({error.filename})" if error.filename not in (None, str(folder)) else ""
        raise SettingsError(
            f"CONCENTRATE_DATA_DIR: keys cannot be kept in {folder}: {error.strerror}{where}."
        ) from None
    except ValueError as error:
        raise SettingsError(f"CONCENTRATE_DATA_DIR: keys cannot be kept in {folder}: {error}.") from None


def encryption_keys(settings: Settings) -> list[bytes]:
    """The operator's keys for what is kept: the first seals, all open."""
    return keys_of(settings.encryption_key.reveal()) if settings.encryption_key is not None else []


def credentials_sealer(settings: Settings) -> Sealer:
    """Provider credentials are always sealed: without the operator's keys, under one that is derived from the secret."""
    return Sealer([*encryption_keys(settings), hasher_of(settings).derived("provider credentials")])


def take_over(settings: Settings, database: Database, hasher: Hasher) -> None:
    """Makes the default organisation, and takes over the keys of older releases. Raises `SettingsError`."""
    try:
        with database.begin() as connection:
            first.begin(connection, hasher, at=int(time()))
            put_aside = first.adopt(connection, settings.data_dir)
    except first.OtherSecret as error:
        raise SettingsError(f"CONCENTRATE_SECRET: {error}.") from None
    except sqlite3.Error as error:
        where = f"CONCENTRATE_DATA_DIR: keys cannot be kept in {settings.data_dir}"
        raise SettingsError(f"{where}: keys.db: {error}.") from None
    put_aside()


def first_key(settings: Settings) -> str | None:
    """Makes sure that there is a key, and that provider credentials are sealed as `settings` say.

    A fresh key is returned, to be shown once. Raises `SettingsError`.
    """
    hasher = hasher_of(settings)
    database = ready(settings)
    take_over(settings, database, hasher)
    known = settings.bootstrap_key.reveal() if settings.bootstrap_key else None
    try:
        with database.begin() as connection:
            byok.reseal(connection, credentials_sealer(settings))
            return first.bootstrap(connection, hasher, known, at=int(time()))
    except ValueError as error:
        raise SettingsError(f"{error}.") from None
