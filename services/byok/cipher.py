"""Seals credentials for the database: AES-256-GCM under a key that is not in the database.

A sealed text belongs to one credential id: copied into another row it cannot be opened.
"""

import secrets
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_DOMAIN: Final = b"concentrate: provider credentials\0"


class CannotOpen(ValueError):
    """It was sealed under another key, for another id, or it was changed."""


class Cipher:
    """Seals and opens. Holds the key and shows it to nobody."""

    __slots__ = ("_aead",)

    def __init__(self, secret: bytes) -> None:
        """`secret`: 32 bytes or more, random."""
        self._aead = AESGCM(sha256(_DOMAIN + secret).digest())

    def seal(self, plain: bytes, id: str) -> bytes:
        """The plain bytes, sealed for the credential with this id: version, nonce, then what AES-GCM makes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._aead.encrypt(nonce, plain, id.encode())

    def open(self, sealed: bytes, id: str) -> bytes:
        """The plain bytes. Raises `CannotOpen`."""
        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION or len(nonce) != _NONCE_BYTES:
            raise CannotOpen("This is no sealed credential.")
        try:
            return self._aead.decrypt(nonce, rest, id.encode())
        except InvalidTag:
            raise CannotOpen("This credential was sealed under another key.") from None
