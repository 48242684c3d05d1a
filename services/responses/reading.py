"""What several pieces of a Responses request have in common."""

from services.responses.schema import CacheControl
from services.vocabulary.call import Cache


def cache(marker: CacheControl | None) -> Cache | None:
    """The cache marker of a `cache_control` object."""
    return Cache(marker.ttl) if marker is not None else None
