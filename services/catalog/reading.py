"""Rows out of YAML: the files of this room, and the operator's own file on top of them.

providers/*.yaml    one provider each
models/*.yaml       one author each: {author, author_name, tier_basis, models: [...]}
local.yaml          programs to look for on this machine
CONCENTRATE_CONFIG  {providers: [...], models: [...], prices: [...], local: [...]}; a row with the id of one of ours
                    replaces the fields it gives, any other row is new
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import yaml

from services.catalog.schema import DIALECTS, LocalServer, Model, PriceRow, Provider

ROOM = Path(__file__).parent

Row = TypeVar("Row")

_KEYS = ("providers", "models", "prices", "local")
_FAMILY = ("author", "author_name", "tier_basis")  # said once in a file for all of its models


class CatalogError(Exception):
    """A row is wrong. The message names the file and the place in it."""


class Rows(msgspec.Struct, frozen=True):
    """All rows, checked one by one but not yet against each other."""

    providers: list[Provider]
    models: list[Model]
    prices: list[PriceRow] = []
    local: list[LocalServer] = []


class _Loader(yaml.CSafeLoader):
    """YAML where a date stays the text it is. libyaml's parser, ten times as fast as the one in Python."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class _Row(NamedTuple):
    """A row as it stands in a file; of one that the operator changed, the operator's file."""

    file: Path
    fields: dict[str, Any]


def read(config: Path | None = None) -> Rows:
    """Our own rows, and those of the operator's file if there is one. Raises `CatalogError`."""
    providers = {row.fields["id"]: row for row in map(_provider, sorted((ROOM / "providers").glob("*.yaml")))}
    models = {row.fields["id"]: row for path in sorted((ROOM / "models").glob("*.yaml")) for row in _family(path)}
    prices = _list(_load(ROOM / "prices.yaml"), "prices", ROOM / "prices.yaml")
    local = {row.fields["id"]: row for row in _list(_load(ROOM / "local.yaml"), "local", ROOM / "local.yaml")}
    if config is not None:
        own = _load(config)
        if unknown := own.keys() - {*_KEYS}:
            raise CatalogError(f"{config}: unknown key `{min(unknown)}`; {', '.join(_KEYS)} are known")
        _merge(providers, _list(own, "providers", config), {})
        _merge(models, _list(own, "models", config), {"author": "custom", "created": "1970-01-01"})
        prices += _list(own, "prices", config)
        _merge(local, _list(own, "local", config), {})
    rows = Rows(
        [_convert(row, Provider, "provider") for row in providers.values()],
        [_convert(row, Model, "model") for row in models.values()],
        [_convert(row, PriceRow, "price of") for row in prices],
        [_convert(row, LocalServer, "local server") for row in local.values()],
    )
    for provider in rows.providers:
        names = (provider.dialect, *provider.also, *provider.dialects.values(), *provider.paths)
        _check_dialects(_where(providers[provider.id], "provider"), *names)
    for model in rows.models:
        _check_dialects(_where(models[model.id], "model"), *(offer.dialect for offer in model.offers))
    for server in rows.local:
        _check_dialects(_where(local[server.id], "local server"), server.dialect)
    return rows


def _check_dialects(where: str, *names: str | None) -> None:
    for name in names:
        if name is not None and name not in DIALECTS:
            raise CatalogError(f"{where}: unknown dialect `{name}`; there are {', '.join(sorted(DIALECTS))}")


def _provider(path: Path) -> _Row:
    row = _load(path)
    if row.get("id") != path.stem:
        raise CatalogError(f"{path}: `id` must be {path.stem}, as the file is named")
    return _Row(path, row)


def _family(path: Path) -> Iterable[_Row]:
    file = _load(path)
    for row in _list(file, "models", path):
        yield _Row(path, {**{key: file[key] for key in _FAMILY if key in file}, **row.fields})


def _merge(rows: dict[str, _Row], own: list[_Row], defaults: Mapping[str, str]) -> None:
    for row in own:
        id = row.fields["id"]
        before = rows[id].fields if id in rows else defaults
        rows[id] = _Row(row.file, {**before, **row.fields})


def _list(file: Mapping[str, Any], key: str, path: Path) -> list[_Row]:
    rows = file.get(key) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CatalogError(f"{path}: `{key}` must be a list of rows")
    seen: set[str] = set()
    for row in rows if key != "prices" else ():
        if not isinstance(row.get("id"), str):
            raise CatalogError(f"{path}: a row of `{key}` has no `id`: {row}")
        if row["id"] in seen:
            raise CatalogError(f"{path}: `{row['id']}` is there twice in `{key}`")
        seen.add(row["id"])
    return [_Row(path, row) for row in rows]


def _load(path: Path) -> dict[str, Any]:
    try:
        file = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a safe loader, see its base
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise CatalogError(f"{path}: not YAML: {error}") from error
    if file is None:
        return {}
    if not isinstance(file, dict):
        raise CatalogError(f"{path}: must be a mapping")
    return file


def _convert(row: _Row, kind: type[Row], what: str) -> Row:
    try:
        return msgspec.convert(row.fields, kind)
    except msgspec.ValidationError as error:
        raise CatalogError(f"{_where(row, what)}: {error}") from error


def _where(row: _Row, what: str) -> str:
    return f"{row.file}: {what} {row.fields.get('id') or row.fields.get('model')}"
