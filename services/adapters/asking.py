"""Who proves that we may ask a target: the gateway's own credential, or one that the caller brought."""

import msgspec

from services.adapters.authorizer import Authorizer, Credentials, OwnCredentials
from services.adapters.dialect import Kind, UpstreamError
from services.catalog.schema import Target


class Asking:
    """`own`: credentials that callers brought; None: nobody can."""

    def __init__(self, credentials: Credentials, own: OwnCredentials | None) -> None:
        self._credentials = credentials
        self._own = own

    async def authorized(self, target: Target) -> tuple[Authorizer, Target]:
        """The credential, and the target as it is asked then. Raises `UpstreamError(CREDENTIAL)`."""
        if not target.credential:
            return self._credentials.for_provider(target.provider.id), target
        if self._own is None:
            raise UpstreamError(Kind.CREDENTIAL, "Own credentials cannot be used here.")
        authorizer, provider = await self._own.find(target.credential, target.provider.id)
        return authorizer, msgspec.structs.replace(target, provider=provider)
