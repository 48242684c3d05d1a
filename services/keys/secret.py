"""The secret under which keys are hashed, and what a key looks like."""

import contextlib
import hmac
import os
import secrets
import string
from pathlib import Path

PREFIX = "sk-cn-v1-"
_SECRET_BYTES = 32
_KEY_CHARACTERS = 40  # of 62 kinds: 238 bits
_KEY_CHARACTERS_MIN = 20  # after the prefix, of a key someone else made
_KEY_CHARACTERS_MAX = 200
_ALPHABET = string.ascii_letters + string.digits


class Hasher:
    """Turns keys into digests. Holds the secret and shows it to nobody."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """`secret`: 32 random bytes or more."""
        self._secret = secret

    def digest(self, key: str) -> bytes:
        """HMAC-SHA256 of the key."""
        return hmac.digest(self._secret, key.encode(), "sha256")

    def derived(self, purpose: str) -> bytes:
        """32 bytes for another purpose, which tell nothing of the secret or of a digest."""
        return hmac.digest(self._secret, b"concentrate\0" + purpose.encode(), "sha256")


class SecretUnusable(ValueError):
    """A secret that was given cannot be used. The message says why, and never the secret."""


def given_hasher(secret: str | None, file: Path | None) -> Hasher | None:
    """The hasher of a secret that was given (text, or a file of any bytes), None if none was. Raises `SecretUnusable`."""
    if secret is not None:
        content = secret.encode()
    elif file is not None:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise SecretUnusable(f"{file}: {error.strerror}") from error
        if len(content) != _SECRET_BYTES:
            content = content.strip()  # text, written by an editor
    else:
        return None
    if len(content) < _SECRET_BYTES:
        raise SecretUnusable(f"it must have {_SECRET_BYTES} random characters or more")
    return Hasher(content)


def load_hasher(path: Path) -> Hasher:
    """The hasher of this data folder. The file (mode 0600) appears whole or not at all; of several makers one wins."""
    try:
        return Hasher(_read(path))
    except FileNotFoundError:
        pass
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):  # another process was first; its secret is the one
            os.link(draft, path)
    finally:
        draft.unlink()
    return Hasher(_read(path))


def new_key() -> str:
    """A fresh random key."""
    return PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_CHARACTERS))


def key_of(drawn: bytes) -> str:
    """The key of 64 random bytes: the same one each time. 512 bits leave no character likelier than another."""
    number = int.from_bytes(drawn, "big")
    characters = []
    for _ in range(_KEY_CHARACTERS):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return PREFIX + "".join(characters)


def mask(key: str) -> str:
    """`sk-cn-v1...abcd`."""
    return f"{PREFIX[:-1]}...{key[-4:]}"


def is_key(text: str) -> bool:
    """Whether the text has the form of a key: the prefix, then 20 to 200 printable ASCII characters."""
    rest = text.removeprefix(PREFIX)
    return (
        text.startswith(PREFIX)
        and _KEY_CHARACTERS_MIN <= len(rest) <= _KEY_CHARACTERS_MAX
        and rest.isascii()
        and rest.isprintable()
        and " " not in rest
    )


def _read(path: Path) -> bytes:
    secret = path.read_bytes()
    if len(secret) != _SECRET_BYTES:
        raise ValueError(f"{path} must hold {_SECRET_BYTES} bytes; without the right ones no key of this folder works")
    return secret
