"""The envelope of reasoning: `encrypted_content` = a tag that says whose it is, then the provider's blob, untouched.

    cn1.<provider>.<scope>.<kind>.<blob>

`scope` is a fingerprint of the credential, and the wire format. Blobs are only replayed to where they were made (any other
place would refuse the whole request), and byte for byte. A blob without the tag came from elsewhere: whose it is, is not known.
"""

from typing import Final

from services.vocabulary.call import Seal

PREFIX: Final = "cn1."


def seal(blob: str, provider: str, scope: str, kind: str = "") -> str:
    """The tagged text for clients."""
    return f"{PREFIX}{provider}.{scope}.{kind}.{blob}"


def unseal(text: str) -> Seal:
    """The tag and the blob of what a client sends back."""
    parts = text.split(".", 4)
    if not text.startswith(PREFIX) or len(parts) != 5:
        return Seal(text)
    _, provider, scope, kind, blob = parts
    return Seal(blob, provider, scope, kind)
