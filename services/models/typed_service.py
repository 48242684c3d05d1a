"""The Models API for gRPC clients: the same answers as messages."""

from typing import Any, TypeVar

import grpc
import msgspec
from concentrate.models.v1 import model_pb2, models_service_pb2_grpc
from concentrate.models.v1 import models_service_pb2 as pb
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from services.models import shapes
from services.models.filters import Condition, parse
from services.models.pages import Library

Context = grpc.aio.ServicerContext[Any, Any]
AnyMessage = TypeVar("AnyMessage", bound=Message)


class Models(models_service_pb2_grpc.ModelsServiceServicer):
    """Serves `concentrate.models.v1.ModelsService`. Errors are the interceptor's."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:  # noqa: N802, ARG002
        """Every model that passes the filters."""
        return message((await self._library.pages()).models(_conditions(request.filters)), pb.ListModelsResponse())

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:  # noqa: N802, ARG002
        """A model by any of its names."""
        detail = message((await self._library.pages()).model(request.model), model_pb2.ModelDetail())
        return pb.GetModelResponse(model=detail)

    async def GetModelProvider(  # noqa: N802
        self,
        request: pb.GetModelProviderRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.GetModelProviderResponse:
        """A model at one provider."""
        offer = (await self._library.pages()).offer(request.model, request.provider)
        return pb.GetModelProviderResponse(offer=message(offer, model_pb2.ModelOffer()))

    async def ListProviders(  # noqa: N802
        self,
        request: pb.ListProvidersRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> pb.ListProvidersResponse:
        """All providers."""
        names = [message(name, model_pb2.ProviderName()) for name in (await self._library.pages()).providers()]
        return pb.ListProvidersResponse(providers=names)

    async def ListProviderModels(  # noqa: N802
        self,
        request: pb.ListProviderModelsRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.ListProviderModelsResponse:
        """What a provider offers."""
        found = (await self._library.pages()).models_of_provider(request.provider, _conditions(request.filters))
        return pb.ListProviderModelsResponse(models=_details(found))

    async def ListAuthorModels(  # noqa: N802
        self,
        request: pb.ListAuthorModelsRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.ListAuthorModelsResponse:
        """What an author made."""
        found = (await self._library.pages()).models_of_author(request.author, _conditions(request.filters))
        return pb.ListAuthorModelsResponse(models=_details(found))


def message(document: msgspec.Struct, into: AnyMessage) -> AnyMessage:
    """A document as its message. Absent is absent: null, and `zdr: false`, which is no object there."""
    return ParseDict(_present(msgspec.to_builtins(document)), into)


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(member) for name, member in value.items() if not (name == "zdr" and member is False)}
    return [_present(member) for member in value] if isinstance(value, list) else value


def _details(found: list[shapes.ModelDetail]) -> list[model_pb2.ModelDetail]:
    return [message(detail, model_pb2.ModelDetail()) for detail in found]


def _conditions(filters: Any) -> list[Condition]:
    return parse("&".join(filters))
