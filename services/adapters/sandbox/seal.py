"""The seal of sandbox reasoning: opaque to clients, checked when it comes back, as real providers do.

It proves nothing to an attacker (the key is in this file); it catches a gateway or a client that changes a byte.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from services.adapters.dialect import Kind, UpstreamError
from services.vocabulary.call import Item, Reasoning

_KEY: Final = b"sandbox/echo"


def seal(text: str) -> str:
    """The opaque blob for a reasoning text."""
    return f"{base64.urlsafe_b64encode(text.encode()).decode()}.{_mac(text)}"


def verify(items: Sequence[Item]) -> None:
    """Checks every sealed reasoning item. Raises `UpstreamError(CALLER)` for one that was not made here or was changed."""
    for index, item in enumerate(items):
        if not isinstance(item, Reasoning) or item.seal is None:
            continue
        sealed = _opened(item.seal.blob)
        if sealed is None:
            raise _refused(index, "encrypted_content", "could not be verified: it was not made by sandbox/echo")
        readable = "".join(item.summary) or "".join(item.content)
        if readable and readable != sealed:
            raise _refused(index, "summary" if item.summary else "content", "differs from what was sealed")


def _opened(blob: str) -> str | None:
    encoded, _, mac = blob.partition(".")
    try:
        text = base64.b64decode(encoded.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        return None
    return text if hmac.compare_digest(mac.encode(), _mac(text).encode()) else None


def _mac(text: str) -> str:
    return hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()[:32]


def _refused(index: int, field: str, why: str) -> UpstreamError:
    path = f"input[{index}].{field}"
    return UpstreamError(
        Kind.CALLER, f"sandbox: {path} {why}.", status=400, param=path, code="invalid_encrypted_content"
    )
