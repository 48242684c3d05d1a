"""Names and ids in the letters Converse takes.

What fits stays as it is. What does not gets a fingerprint, so that two different ones never become the same, and the same
one always becomes the same.
"""

import hashlib
import re

_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_.:-]")
_LENGTH_MAX = 64


def tool_name(name: str) -> str:
    """What Bedrock knows the tool by: 1 to 64 letters, digits, _ and -. Public names may be longer or hold dots."""
    return _fitted(name, _NOT_IN_A_NAME)


def call_id(given: str) -> str:
    """The id of a call: clients bring ids of other providers, which may be longer or hold other letters."""
    return _fitted(given, _NOT_IN_AN_ID)


def _fitted(text: str, refused: re.Pattern[str]) -> str:
    if 0 < len(text) <= _LENGTH_MAX and not refused.search(text):
        return text
    mark = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{refused.sub('_', text)[: _LENGTH_MAX - len(mark) - 1]}_{mark}"
