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
        """`secret`: 32 random bytes."""
        self._secret = secret

    def digest(self, key: str) -> bytes:
        """HMAC-SHA256 of the key."""
        return hmac.digest(self._secret, key.encode(), "sha256")


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


def new_id() -> str:
    """A fresh public id of a key."""
    return f"key_{secrets.token_hex(8)}"


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
