"""The Models API over HTTP: `GET` paths below `/v1/models`, for everybody. The bodies are kept, so an answer is cheap."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import grpc
from concentrate.http.v1 import models_http_service_pb2 as pb
from concentrate.http.v1 import models_http_service_pb2_grpc
from google.api.httpbody_pb2 import HttpBody

from services.models.filters import parse
from services.models.pages import Library, Page, Pages

JSON: Final = "application/json"
_PROVIDERS: Final = "/providers/"

Context = grpc.aio.ServicerContext[Any, Any]


class ModelsHttp(models_http_service_pb2_grpc.ModelsHttpServiceServicer):
    """Serves `concentrate.http.v1.ModelsHttpService`. Errors are the interceptor's."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> HttpBody:  # noqa: N802, ARG002
        """`GET /v1/models`."""
        pages, conditions = await self._library.pages(), parse(_query(context))
        return await _answer(context, pages.page("" if conditions else "list", lambda: pages.models(conditions)))

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> HttpBody:  # noqa: N802
        """`GET /v1/models/{model}`, and below it where the model's name has slashes."""
        name = unquote(request.model)  # a name of several segments arrives as it was encoded
        model, slash, provider = name.rpartition(_PROVIDERS)
        pages = await self._library.pages()
        if slash and "/" not in provider:
            return await _answer(context, _offer(pages, model, provider))
        detail = pages.model(name)
        return await _answer(context, pages.page(f"model {detail.slug}", lambda: detail))

    async def GetModelProvider(self, request: pb.GetModelProviderRequest, context: Context) -> HttpBody:  # noqa: N802
        """`GET /v1/models/{model}/providers/{provider}`."""
        return await _answer(context, _offer(await self._library.pages(), request.model, request.provider))

    async def ListProviders(self, request: pb.ListProvidersRequest, context: Context) -> HttpBody:  # noqa: N802, ARG002
        """`GET /v1/models/providers`."""
        pages = await self._library.pages()
        return await _answer(context, pages.page("providers", pages.providers))

    async def ListProviderModels(self, request: pb.ListProviderModelsRequest, context: Context) -> HttpBody:  # noqa: N802
        """`GET /v1/models/providers/{provider}/models`."""
        pages, conditions = await self._library.pages(), parse(_query(context))
        found = pages.models_of_provider(request.provider, conditions)
        return await _answer(context, _page(pages, f"provider {request.provider}", conditions, lambda: found))

    async def ListAuthorModels(self, request: pb.ListAuthorModelsRequest, context: Context) -> HttpBody:  # noqa: N802
        """`GET /v1/models/authors/{author}`."""
        pages, conditions = await self._library.pages(), parse(_query(context))
        found = pages.models_of_author(request.author, conditions)
        return await _answer(context, _page(pages, f"author {request.author}", conditions, lambda: found))


def _offer(pages: Pages, model: str, provider: str) -> Page:
    offer = pages.offer(model, provider)
    return pages.page("", lambda: offer)


def _page(pages: Pages, key: str, conditions: object, make: Callable[[], Any]) -> Page:
    """A page that is kept when it is the unfiltered one."""
    return pages.page("" if conditions else key, make)


def _query(context: Context) -> str:
    return str(_header(context, "x-envoy-original-path") or "").partition("?")[2]


async def _answer(context: Context, page: Page) -> HttpBody:
    """The page, or 304 without a body when the client has it."""
    headers = [("etag", page.etag), ("cache-control", "no-cache")]
    known = str(_header(context, "if-none-match") or "")
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    if page.etag in tags or "*" in tags:
        await context.send_initial_metadata((*headers, ("x-http-status", "304")))
        return HttpBody()
    await context.send_initial_metadata(headers)
    return HttpBody(content_type=JSON, data=page.body)


def _header(context: Context, name: str) -> str | bytes | None:
    return next((value for key, value in context.invocation_metadata() or () if key == name), None)
