"""A short name for a credential that tells nothing about it."""

import hmac

_DOMAIN = b"concentrate: scope of sealed reasoning"


def fingerprint(*parts: str) -> str:
    """8 hex digits, the same in every process for the same parts: replicas must agree on what a seal is bound to."""
    return hmac.digest(_DOMAIN, "\0".join(parts).encode(), "sha256").hex()[:8]
