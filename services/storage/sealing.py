"""Content at rest: sealed with AES-256-GCM where the operator gave a key, and as it is where not.

A sealed content begins with one byte that says how: 0 is plain, 1 is followed by the key's fingerprint (4 bytes), the nonce
(12 bytes) and the ciphertext. So a key can be given later, and changed: the first one seals, all of them open.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32

_PLAIN: Final = b"\0"
_SEALED: Final = b"\1"
_FINGERPRINT: Final = 4
_NONCE: Final = 12


class Unsealable(ValueError):
    """The content was sealed with a key that is not here, or was altered."""


class Sealer:
    """Seals and opens content. `keys`: 32 bytes each; the first seals, none leaves content as it is."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {_fingerprint(key): key for key in keys}
        self._ciphers: dict[bytes, AESGCM] = {}
        self._first = _fingerprint(keys[0]) if keys else None

    @property
    def seals(self) -> bool:
        """Whether there is a key."""
        return self._first is not None

    def seal(self, content: bytes, about: str) -> bytes:
        """The content to keep. `about`: whose it is (the id of its row); it opens only for the same."""
        if self._first is None:
            return _PLAIN + content
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher(self._first).encrypt(nonce, content, about.encode())
        return _SEALED + self._first + nonce + sealed

    def stale(self, kept: bytes) -> bool:
        """Whether it was sealed otherwise than it would be now: with another key, or not at all."""
        return kept[: 1 + _FINGERPRINT] != _SEALED + self._first if self._first is not None else False

    def open(self, kept: bytes, about: str) -> bytes:
        """The content itself. Raises `Unsealable`."""
        if kept[:1] == _PLAIN:
            return kept[1:]
        fingerprint, rest = kept[1 : 1 + _FINGERPRINT], kept[1 + _FINGERPRINT :]
        if kept[:1] != _SEALED or fingerprint not in self._keys:
            raise Unsealable("sealed with a key that is not configured")
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see `_cipher`

        try:
            return self._cipher(fingerprint).decrypt(rest[:_NONCE], rest[_NONCE:], about.encode())
        except InvalidTag:
            raise Unsealable("the content was altered") from None

    def _cipher(self, fingerprint: bytes) -> "AESGCM":
        """The cipher of a key, from when it is first needed: a worker that seals nothing keeps 6 MB."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        cipher = self._ciphers.get(fingerprint)
        if cipher is None:
            cipher = self._ciphers[fingerprint] = AESGCM(self._keys[fingerprint])
        return cipher


def keys_of(text: str) -> list[bytes]:
    """The keys in a setting: base64 of 32 bytes each, separated by commas, the one that seals first. Raises `ValueError`."""
    keys = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        try:
            key = base64.b64decode(each, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(f"each key must be {KEY_BYTES} bytes in base64 (`openssl rand -base64 {KEY_BYTES}`)")
        keys.append(key)
    return keys


def _fingerprint(key: bytes) -> bytes:
    return hashlib.sha256(b"fingerprint" + key).digest()[:_FINGERPRINT]
