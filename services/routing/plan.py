"""Which targets a call may go to, in which order: a pure function of the call and the catalogue."""

from services.catalog.catalog import Catalog
from services.errors import InvalidRequest
from services.ports import Plan
from services.vocabulary.call import Call

AUTO = "auto"


def plan(call: Call, catalog: Catalog, *, unlisted: bool) -> Plan:
    """Targets for the call's model, best first. `unlisted`: whether models without a row may be asked for by provider.

    Raises `ModelNotFound` with the nearest names, and `InvalidRequest` for what cannot be a model id.
    """
    if call.model == AUTO:
        raise InvalidRequest("This gateway does not choose a model for `auto` yet; name one.", param="model")
    return Plan(list(catalog.resolve(call.model, unlisted=unlisted)))
