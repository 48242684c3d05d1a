"""Keys by AWS's own library: its whole chain, with its refreshes."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from services.adapters.auth.sigv4 import AwsKeys
from services.adapters.dialect import Kind, UpstreamError


class AwsChain:
    """The default chain: shared files and SSO, web identity, container and instance roles. Everything blocks."""

    def __init__(self, profile: str | None) -> None:
        """`profile`: a section of the shared files; None for the default one."""
        self._profile = profile
        self._credentials: Any = None

    def keys(self) -> AwsKeys:
        """Keys that are valid now. Raises `UpstreamError(CREDENTIAL)`."""
        try:
            if self._credentials is None:
                self._credentials = Session(profile=self._profile).get_credentials()
            if self._credentials is None:
                raise UpstreamError(Kind.CREDENTIAL, "AWS's credential chain has no credential.")
            frozen = self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            what = f"AWS's credential chain failed ({type(error).__name__})."
            raise UpstreamError(Kind.CREDENTIAL, what) from error
        return AwsKeys(frozen.access_key, frozen.secret_key, frozen.token)
