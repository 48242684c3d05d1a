"""HTTP for Google's library from the standard library, so that no second HTTP client is needed for a call an hour."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from google.auth import exceptions, transport

_TIMEOUT_S = 30


class Answer(transport.Response):
    """What came back."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        """The answer's parts."""
        self._status, self._headers, self._data = status, headers, data

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        return self._headers

    @property
    def data(self) -> bytes:
        """The body."""
        return self._data


class StandardTransport(transport.Request):
    """`urllib` as the library wants it; proxies of the environment are honoured."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> Answer:
        """Sends a request. Raises the library's `TransportError` when there is no answer."""
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(url, data=data, headers=dict(headers or {}), method=method)  # noqa: S310 - the key file's own address
        try:
            with urllib.request.urlopen(request, timeout=timeout or _TIMEOUT_S) as answer:  # noqa: S310
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())
        except (OSError, http.client.HTTPException) as error:
            raise exceptions.TransportError(error) from error  # type: ignore[no-untyped-call]
