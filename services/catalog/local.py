"""Models of servers on this machine: what their lists say, as rows under the provider `local`. Pure; who asks is `runtime`."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from services.catalog.schema import Auth, Facts, LocalServer, Model, Offer, Provider, Target

LOCAL: Final = Provider(
    "local", "Local server", "openai_chat", "", auth=Auth("none"), prices="free", zdr="it runs on this machine"
)
"""The provider of them all; `server_row` fills in where one is."""

ITSELF: Final = "concentrate"  # the `server` header of our own edge: two gateways must not offer each other
_DEFAULT_TAG: Final = ":latest"  # Ollama's, which may be left out
_NO_CHAT: Final = re.compile(r"(?i)embed|rerank|minilm|\bbge-")  # what people also keep there, and nobody can talk to
_MODELS_MAX: Final = 1000
_ID_LENGTH_MAX: Final = 256


class LocalModel(msgspec.Struct, frozen=True):
    """A model of a list. name: what follows `local/`. context: in tokens, where the list says it."""

    name: str
    upstream: str
    context: int | None = None


class Found(msgspec.Struct, frozen=True):
    """A server that answered, and what it serves."""

    server: LocalServer
    models: Sequence[LocalModel]


class _Listed(msgspec.Struct):
    id: str
    owned_by: str | None = None
    max_model_len: int | None = None  # vLLM


class _List(msgspec.Struct):
    data: list[_Listed]


_list = msgspec.json.Decoder(_List)


def read_list(server: LocalServer, body: bytes) -> list[LocalModel]:
    """The models a server lists in OpenAI's form; none when the body is not such a list, or another program's."""
    try:
        listed = _list.decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [
        LocalModel(_name(each.id), each.id, each.max_model_len)
        for each in listed[:_MODELS_MAX]
        if _is_offered(_name(each.id)) and (server.owned_by is None or each.owned_by in (None, server.owned_by))
    ]


def base_url(server: LocalServer) -> str:
    """Where it is asked."""
    return f"http://127.0.0.1:{server.port}{server.path}"


def server_row(server: LocalServer) -> Provider:
    """The provider `local`, as it is at this server."""
    return msgspec.structs.replace(
        LOCAL, name=server.name, dialect=server.dialect, base_url=base_url(server), quirks=server.quirks
    )


def offered(found: Sequence[Found]) -> list[tuple[Model, Target]]:
    """A row for each model, and where to ask for it. Of two servers with the same model the first one counts."""
    rows: dict[str, tuple[Model, Target]] = {}
    for server, models in ((each.server, each.models) for each in found):
        provider = server_row(server)
        for model in models:
            facts = Facts(context=model.context)
            target = Target(provider, server.dialect, model.name, model.upstream, facts, zdr=True)
            rows.setdefault(model.name, (_row(server, model, facts), target))
    return list(rows.values())


def _row(server: LocalServer, model: LocalModel, facts: Facts) -> Model:
    short = model.name.removesuffix(_DEFAULT_TAG)
    return Model(
        id=f"{LOCAL.id}/{model.name}",
        author=server.id,
        created="1970-01-01",
        offers=[Offer(LOCAL.id, upstream=model.upstream)],
        name=f"{model.name} ({server.name})",
        aliases=[f"{LOCAL.id}/{short}"] if short != model.name else [],
        facts=facts,
    )


def _name(id: str) -> str:
    """llama.cpp and vLLM name a model that was given as a file by its whole path."""
    return id.rpartition("/")[2] if id.startswith("/") else id.rpartition("\\")[2]


def _is_offered(name: str) -> bool:
    readable = 0 < len(name) <= _ID_LENGTH_MAX and name.isprintable() and " " not in name
    return readable and _NO_CHAT.search(name) is None
