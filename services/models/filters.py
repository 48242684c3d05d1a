"""Dot-notation filters: `?author.slug=anthropic&context_window.gte=128000&supports.tools.function_calling=true`.

A path is one of a list row (`owned_by`), of a model (`author.slug`), or of a model at a provider (`context_window`). A model
passes when its own conditions hold and one of its providers fulfils all that are about providers; `providers.azure.…` is
about that one alone. What is not known fulfils nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from services.errors import InvalidRequest
from services.models import shapes

Kind = Literal["boolean", "number", "string", "date", "list"]
Value = bool | float | str

CONDITIONS_MAX: Final = 50
NOT_FILTERS: Final = frozenset({"limit", "after_id", "before_id", "beta", "api-version"})
"""What clients of OpenAI's, Azure's and Anthropic's lists add. There is one page, so there is nothing to turn."""

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {"gte": ge, "lte": le, "gt": gt, "lt": lt}
_DATES: Final = frozenset({"created_at", "release_date", "deprecated_at"})
_SHOWN_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter. provider: the slug it is about; None: any one. Of the model itself when `of_model`."""

    path: str
    holds: Callable[[Any], bool]
    of_model: bool
    provider: str | None = None


class Facets:
    """A model as flat values by path, for its own conditions and for those about each provider."""

    def __init__(self, row: shapes.ListedModel, detail: shapes.ModelDetail) -> None:
        self._own = {**_flat(detail), **_flat(row)}
        self._offers = {slug: _flat(offer) for slug, offer in detail.providers.items()}

    def pass_(self, conditions: Sequence[Condition], provider: str | None = None) -> bool:
        """Whether the model passes. `provider`: only that one counts."""
        offers = self._offers if provider is None else {provider: self._offers[provider]}
        anywhere = [each for each in conditions if not each.of_model and each.provider is None]
        return (
            all(each.holds(self._own.get(each.path)) for each in conditions if each.of_model)
            and all(
                each.provider in offers and each.holds(offers[each.provider].get(each.path))
                for each in conditions
                if each.provider is not None
            )
            and any(all(each.holds(offer.get(each.path)) for each in anywhere) for offer in offers.values())
        )


def parse(query: str) -> list[Condition]:
    """The conditions of a query string. Raises `InvalidRequest` naming a path that there is not, or its wrong value."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=CONDITIONS_MAX)
    except ValueError:
        raise InvalidRequest(f"More than {CONDITIONS_MAX} filters.") from None
    return [_condition(name, value) for name, value in pairs if name not in NOT_FILTERS]


def _condition(name: str, text: str) -> Condition:
    path, operator = name, None
    head, _, tail = name.rpartition(".")
    if tail in _OPERATORS:
        path, operator = head, tail
    provider = None
    if path not in PATHS and path.startswith("providers."):
        _, provider, path = (*path.split(".", 2), "")[:3]
    kind = OFFER_PATHS.get(path) if provider is not None else PATHS.get(path)
    if kind is None:
        shown = name[:_SHOWN_MAX]
        raise InvalidRequest(
            f"`{shown}` is no filter. Filters are fields of a model or of a model at a provider, such as author.slug, "
            "context_window.gte or supports.tools.function_calling.",
            param=shown,
        )
    value = _value(name, kind, text)
    if operator is None:
        holds = _contains(value) if kind == "list" else _equals(value)
    elif kind in ("number", "date"):
        holds = _compares(_OPERATORS[operator], value)
    else:
        raise InvalidRequest(f"`{path}` is no number and no date, so it has no .{operator}.", param=name)
    return Condition(path, holds, of_model=provider is None and path in MODEL_PATHS, provider=provider)


def _value(name: str, kind: Kind, text: str) -> Value:
    if kind == "boolean":
        if text not in ("true", "false"):
            raise InvalidRequest(f"`{name}` is true or false.", param=name)
        return text == "true"
    if kind == "number":
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124 - only NaN is not itself
            raise InvalidRequest(f"`{name}` is a number.", param=name)
        return number
    return text


def _equals(wanted: Value) -> Callable[[Any], bool]:
    return lambda value: value is not None and value == wanted


def _contains(wanted: Value) -> Callable[[Any], bool]:
    return lambda value: value is not None and wanted in value


def _compares(operator: Callable[[Any, Any], bool], wanted: Value) -> Callable[[Any], bool]:
    return lambda value: value is not None and operator(value, wanted)


def _flat(struct: msgspec.Struct) -> dict[str, Any]:
    """Leaves by path. Dictionaries and lists of objects have none."""
    found: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, shapes.ZdrPolicy):
            found[name] = True
        if isinstance(value, msgspec.Struct):
            found.update({f"{name}.{path}": leaf for path, leaf in _flat(value).items()})
        elif not isinstance(value, dict):
            found[name] = value
    return found


def _paths(shape: type[msgspec.Struct], prefix: str = "") -> dict[str, Kind]:
    made = inspect.type_info(shape)
    assert isinstance(made, inspect.StructType)
    found: dict[str, Kind] = {}
    for field in made.fields:
        path = prefix + field.name
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        for kind in kinds:
            match kind:
                case inspect.StructType():
                    found.update(_paths(kind.cls, f"{path}."))
                case inspect.BoolType() | inspect.LiteralType(values=(False,)):
                    found[path] = "boolean"
                case inspect.IntType() | inspect.FloatType():
                    found[path] = "number"
                case inspect.StrType() | inspect.LiteralType():
                    found[path] = "date" if field.name in _DATES else "string"
                case inspect.ListType(item_type=inspect.StrType()):
                    found[path] = "list"
    return found


OFFER_PATHS: Final[Mapping[str, Kind]] = _paths(shapes.ModelOffer)
MODEL_PATHS: Final[Mapping[str, Kind]] = {**_paths(shapes.ModelDetail), **_paths(shapes.ListedModel)}
PATHS: Final[Mapping[str, Kind]] = {**OFFER_PATHS, **MODEL_PATHS}
"""Every filter, and what it is compared as."""
