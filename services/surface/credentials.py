"""The API key in a request's headers."""

from typing import Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]


def credentials(context: Context) -> tuple[str | None, str | None]:
    """The `authorization` and `x-api-key` headers."""
    authorization = api_key = None
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            authorization = str(value)
        elif name == "x-api-key":
            api_key = str(value)
    return authorization, api_key
