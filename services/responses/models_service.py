"""The list of models, for gRPC clients and, transcoded, as `GET /v1/models`."""

from typing import Any

import grpc
from concentrate.models.v1 import models_service_pb2 as pb
from concentrate.models.v1 import models_service_pb2_grpc

from services.catalog.listing import Listing
from services.mirror import mirror

Context = grpc.aio.ServicerContext[Any, Any]

_LISTING = mirror(Listing, pb.ListModelsResponse)


class Models(models_service_pb2_grpc.ModelsServiceServicer):
    """Serves `concentrate.models.v1.ModelsService`. The list is made once for each catalogue."""

    def __init__(self, listing: Listing) -> None:
        self.show(listing)

    def show(self, listing: Listing) -> None:
        """From now on this list."""
        self._answer = _LISTING.to_message(listing)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:  # noqa: N802, ARG002
        """Every model that is configured here."""
        return self._answer
