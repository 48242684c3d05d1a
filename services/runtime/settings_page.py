"""Prints `docs/settings.md` from the settings and the provider rows: `python -m services.runtime.settings_page`."""

import sys

from services.catalog.catalog import load
from services.catalog.environment import missing
from services.runtime.settings import Settings, documented

_PAGE = """\
# Settings

Environment variables, read once at the start. Printed from `services/runtime/settings.py` by `make settings`.

| variable | default | meaning |
|---|---|---|
{settings}

## Providers

A provider is offered when its credentials are set, under the names people already have set. The base URL replaces scheme,
host and path prefix, and is read as the provider's own SDK reads it. More providers: a row in the file `CONCENTRATE_CONFIG`
names. Printed from `services/catalog/providers/`.

| provider | needs | base URL |
|---|---|---|
{providers}
"""


def page() -> str:
    """The whole page."""
    settings = [
        f"| `{variable.name}` | {_default(getattr(Settings, name))} | {variable.meaning} |"
        for name, _, variable in documented()
    ]
    providers = [
        f"| `{provider.id}` | {', '.join(map(_code, missing(provider, {}))) or 'nothing'} | `{provider.base_url_env}` |"
        for provider in load().providers.values()
        if provider.base_url_env is not None
    ]
    return _PAGE.format(settings="\n".join(settings), providers="\n".join(providers))


def _default(value: object) -> str:
    if value is None:
        return "none"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _code(names: str) -> str:
    return " or ".join(f"`{name}`" for name in names.split(" or "))


if __name__ == "__main__":
    sys.stdout.write(page())
