"""Where a dialect's request goes."""

from urllib.parse import urlencode

from services.adapters.dialect import HttpRequest
from services.catalog.schema import Target


def address(target: Target, request: HttpRequest) -> str:
    """The whole URL."""
    url = target.base_url + request.path
    return f"{url}?{urlencode(request.query)}" if request.query else url
