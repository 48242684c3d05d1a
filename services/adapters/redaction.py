"""A provider's words without what is only the operator's: credentials, whole, masked or cut; account ids; addresses within.

Providers quote the key they refuse, most of them half hidden (`sk-…abcd`, `****abcd`, `ending in abcd`). The rest of such a
word is matched with the credential that was sent, so that ordinary words beside stars stay.
"""

import re
from collections.abc import Sequence
from typing import Final

REDACTED: Final = "[redacted]"
MESSAGE_MAX: Final = 1500
"""Of the 2000 characters that an error may have, so that what we say beside the words is never cut."""

_READ_MAX: Final = 4 * MESSAGE_MAX  # of a message: what is found is replaced by something shorter, mostly
_CUT_MIN: Final = 4  # characters of a credential at the end of a text that was cut
_SHOWN_MIN: Final = 2  # characters of a credential beside a mask

# What is private wherever it stands, known to us or not.
_PRIVATE: Final = re.compile(
    r"\b(?:sk|pk|xai|gsk|hf|AIza|AKIA|ASIA)[-_A-Za-z0-9*.]{8,}"
    r"|\b(?:org|proj|user)-[A-Za-z0-9]{8,}"
    r"|\bya29\.[\w.-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|(?i:\bbearer)\s+[\w.~+/=-]{8,}"
    r"|(?i:\bx-amz-security-token)\W+[\w+/=%-]{8,}"
    r"|\b\d{12}\b"
    r"|https?://(?:localhost|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)[^\s\"']*"
)
_WORD: Final = r"[\w+/=-]"
_MASKED: Final = re.compile(
    rf"({_WORD}{{0,24}})(?:(?:[*•●·…#]|\\+u[0-9a-f]{{4}})+|\.{{3,}}|[xX]{{4,}})({_WORD}{{0,24}})"
)
_ENDING: Final = re.compile(rf"(\bend(?:s|ing)?\s+(?:in|with)\W{{1,4}})({_WORD}{{2,24}})")


def clean(text: str, secrets: Sequence[str]) -> str:
    """The words, shortened. `secrets`: the exact values that were sent or are otherwise nobody's business."""
    text = text[:_READ_MAX]
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    text = _PRIVATE.sub(REDACTED, text)
    text = _MASKED.sub(lambda found: REDACTED if _of_a_secret(found[1], found[2], secrets) else found[0], text)
    text = _ENDING.sub(lambda found: found[1] + (REDACTED if _of_a_secret("", found[2], secrets) else found[2]), text)
    for secret in secrets:
        text = _without_beginning(text, secret)
    return text[:MESSAGE_MAX]


def _of_a_secret(head: str, tail: str, secrets: Sequence[str]) -> bool:
    head = head.rstrip("xX")
    return any(
        (len(head) >= _SHOWN_MIN and secret.startswith(head)) or (len(tail) >= _SHOWN_MIN and secret.endswith(tail))
        for secret in secrets
    )


def _without_beginning(text: str, secret: str) -> str:
    """Without the part of a secret at whose end the text was cut, here or where it was read."""
    if secret.startswith("http"):
        return text  # an address; the beginning of one is any address
    for length in range(len(secret) - 1, _CUT_MIN - 1, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + REDACTED
    return text
