"""Rows out of YAML: the files of this room, and the operator's own file on top of them.

providers/*.yaml    one provider each
models/*.yaml       one author each: {author, models: [...]}
CONCENTRATE_CONFIG  {providers: [...], models: [...], prices: [...]}; a row with the id of one of ours replaces the
                    fields it gives, any other row is new
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from services.catalog.schema import DIALECTS, Model, PriceRow, Provider

ROOM = Path(__file__).parent

Row = TypeVar("Row")


class CatalogError(Exception):
    """A row is wrong. The message names the file and the place in it."""


class Rows(msgspec.Struct, frozen=True):
    """All rows, checked one by one but not yet against each other."""

    providers: list[Provider]
    models: list[Model]
    prices: list[PriceRow] = []


class _Loader(yaml.CSafeLoader):
    """YAML where a date stays the text it is. libyaml's parser, ten times as fast as the one in Python."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def read(config: Path | None = None) -> Rows:
    """Our own rows, and those of the operator's file if there is one. Raises `CatalogError`."""
    providers = {row["id"]: row for row in map(_provider, sorted((ROOM / "providers").glob("*.yaml")))}
    models = {row["id"]: row for path in sorted((ROOM / "models").glob("*.yaml")) for row in _family(path)}
    prices = _list(_load(ROOM / "prices.yaml"), "prices", ROOM / "prices.yaml")
    if config is not None:
        own = _load(config)
        if unknown := own.keys() - {"providers", "models", "prices"}:
            raise CatalogError(f"{config}: unknown key `{min(unknown)}`; providers, models and prices are known")
        _merge(providers, _list(own, "providers", config), config, {})
        _merge(models, _list(own, "models", config), config, {"author": "custom", "created": "1970-01-01"})
        prices += _list(own, "prices", config)
    rows = Rows(
        [_convert(row, Provider, f"provider {row['id']}") for row in providers.values()],
        [_convert(row, Model, f"model {row['id']}") for row in models.values()],
        [_convert(row, PriceRow, f"price of {row.get('model')}") for row in prices],
    )
    for provider in rows.providers:
        _check_dialects(f"provider {provider.id}", provider.dialect, *provider.dialects.values(), *provider.paths)
    for model in rows.models:
        _check_dialects(f"model {model.id}", *(offer.dialect for offer in model.offers))
    return rows


def _check_dialects(where: str, *names: str | None) -> None:
    for name in names:
        if name is not None and name not in DIALECTS:
            raise CatalogError(f"{where}: unknown dialect `{name}`; there are {', '.join(sorted(DIALECTS))}")


def _provider(path: Path) -> dict[str, Any]:
    row = _load(path)
    if row.get("id") != path.stem:
        raise CatalogError(f"{path}: `id` must be {path.stem}, as the file is named")
    return row


def _family(path: Path) -> Iterable[dict[str, Any]]:
    file = _load(path)
    seen: set[str] = set()
    for row in _list(file, "models", path):
        if row["id"] in seen:
            raise CatalogError(f"{path}: model `{row['id']}` is there twice")
        seen.add(row["id"])
        yield {"author": file.get("author"), **row}


def _merge(rows: dict[str, dict[str, Any]], own: list[dict[str, Any]], path: Path, defaults: Mapping[str, str]) -> None:
    seen: set[str] = set()
    for row in own:
        if row["id"] in seen:
            raise CatalogError(f"{path}: `{row['id']}` is there twice")
        seen.add(row["id"])
        rows[row["id"]] = {**rows.get(row["id"], defaults), **row}


def _list(file: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    rows = file.get(key) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CatalogError(f"{path}: `{key}` must be a list of rows")
    if key != "prices" and (bad := next((row for row in rows if not isinstance(row.get("id"), str)), None)) is not None:
        raise CatalogError(f"{path}: a row of `{key}` has no `id`: {bad}")
    return rows


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


def _convert(row: dict[str, Any], kind: type[Row], where: str) -> Row:
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        raise CatalogError(f"{where}: {error}") from error
