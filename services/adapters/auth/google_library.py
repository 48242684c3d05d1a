"""Access tokens by Google's own library: service accounts, workload identity, users and machines alike."""

import json
from datetime import UTC
from time import time
from typing import Any

import google.auth
from google.auth import exceptions
from google.oauth2 import service_account

from services.adapters.auth.google import GoogleToken
from services.adapters.auth.google_transport import StandardTransport
from services.adapters.dialect import Kind, UpstreamError

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_LIFETIME_S = 3600.0  # where the answer does not say


class GoogleCredentials:
    """One credential. Everything blocks."""

    def __init__(self, key_file: str | None, key_json: str | None = None) -> None:
        """`key_file`: a credential file of any kind; None looks for default credentials. `key_json`: a service account's."""
        self._key_file = key_file
        self._key_json = key_json
        self._credentials: Any = None

    def fetch(self) -> GoogleToken:
        """A fresh token, from the `token_uri` of the file. Raises `UpstreamError`."""
        try:
            if self._credentials is None:
                self._credentials = self._load()
            self._credentials.refresh(StandardTransport())
        except exceptions.TransportError as error:
            raise UpstreamError(Kind.UNAVAILABLE, "Google's token service cannot be reached.") from error
        except (exceptions.GoogleAuthError, OSError, ValueError) as error:
            what = f"Google gave no access token ({type(error).__name__})."
            raise UpstreamError(Kind.CREDENTIAL, what) from error
        expiry = self._credentials.expiry
        ends = time() + _LIFETIME_S if expiry is None else expiry.replace(tzinfo=UTC).timestamp()
        return GoogleToken(self._credentials.token, ends, self._credentials.quota_project_id)

    def _load(self) -> Any:
        if self._key_json is not None:
            info = json.loads(self._key_json)
            return service_account.Credentials.from_service_account_info(info, scopes=_SCOPES)  # type: ignore[no-untyped-call]
        if self._key_file is not None:
            return google.auth.load_credentials_from_file(self._key_file, scopes=_SCOPES)[0]  # type: ignore[no-untyped-call]
        return google.auth.default(scopes=_SCOPES)[0]
