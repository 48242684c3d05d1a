"""The routing service as a plain object."""

from services.catalog.catalog import Catalog
from services.ports import Plan
from services.routing.plan import plan
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller


class CatalogRouter:
    """Routes by the catalogue alone. Assign `catalog` to swap in a new one; calls under way keep theirs."""

    def __init__(self, catalog: Catalog, *, unlisted: bool = False) -> None:
        """`unlisted`: whether `provider/<any model id>` is served though no row lists it."""
        self.catalog = catalog
        self._unlisted = unlisted

    async def plan(self, call: Call, caller: Caller) -> Plan:  # noqa: ARG002 - policies of the caller come with tenancy
        """Targets for the call, best first. Raises `ModelNotFound` or `InvalidRequest`."""
        return plan(call, self.catalog, unlisted=self._unlisted)
