"""AWS Signature Version 4, without I/O or a clock.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from posixpath import normpath
from urllib.parse import quote, urlsplit

import msgspec

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = frozenset(
    {"connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"}
)  # hops may change them


class AwsKeys(msgspec.Struct, frozen=True):
    """One set of keys. token: of a session, where the keys are temporary."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return "AwsKeys(…)"


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    keys: AwsKeys,
    region: str,
    service: str,
    at: datetime,
) -> dict[str, str]:
    """The headers to add to a request that is sent to exactly this URL with these headers and this body. `at`: in UTC."""
    parts = urlsplit(url)
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": stamp}
    if keys.token is not None:
        added["x-amz-security-token"] = keys.token
    signed = {name.lower(): " ".join(value.split()) for name, value in {**headers, **added}.items()}
    signed = {name: value for name, value in signed.items() if name not in _UNSIGNED and name != "authorization"}
    signed["host"] = _host(parts.scheme, parts.hostname or "", parts.port)
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        (
            method.upper(),
            quote(_normal(parts.path), safe="/~"),
            _query(parts.query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            sha256(body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, stamp, scope, sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    added["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return added


def _query(query: str) -> str:
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&") if pair)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _host(scheme: str, hostname: str, port: int | None) -> str:
    host = f"[{hostname}]" if ":" in hostname else hostname
    usual = {"http": 80, "https": 443}.get(scheme)
    return host if port is None or port == usual else f"{host}:{port}"


def _normal(path: str) -> str:
    """The path without `.`, `..` and double slashes, its last slash kept."""
    if not path or path == "/":
        return "/"
    normal = "/" + normpath(path).lstrip("/")
    return f"{normal}/" if path.endswith("/") and normal != "/" else normal
