"""What a provider credential consists of: values of the variables that the provider's row names.

They are a small environment of their own, apart from the gateway's: the same code makes an authorizer of either. A variable
that names a file, or replaces a base URL, is not among them: those are the operator's.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from services.catalog.schema import Provider
from services.errors import InvalidRequest

GOOGLE_JSON: Final = "GOOGLE_CREDENTIALS_JSON"
"""A service account's key as the JSON text itself, instead of the name of a file that holds it."""

_AWS_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_AWS: Final = (*_AWS_KEYS, "AWS_SESSION_TOKEN", "AWS_REGION")
_PLACEHOLDER: Final = re.compile(r"\{([A-Z0-9_|]+)\}")
_WORD: Final = re.compile(r"[A-Za-z0-9._:/@-]+")
_AZURE: Final = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)*\.azure\.(com|us|cn)/?")
_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address


def variables_of(row: Provider) -> list[str]:
    """The variables that a credential of this provider may have. `row`: as it stands in the file, with its placeholders."""
    templates = (row.base_url, *row.base_urls.values(), *row.paths.values(), *row.headers.values())
    names = [name for template in templates for group in _PLACEHOLDER.findall(template) for name in group.split("|")]
    match row.auth.scheme:
        case "sigv4":
            secrets = [*_AWS, *row.auth.token]
        case "google":
            secrets = [GOOGLE_JSON, *row.auth.token]
        case _:
            secrets = [*row.auth.secret, *row.auth.token]
    return list(dict.fromkeys((*secrets, *row.requires, *names)))


def checked(row: Provider, secret: str | None, values: Mapping[str, str]) -> dict[str, str]:
    """The values of a credential. `secret`: of the variable that most credentials of this provider are.

    Raises `InvalidRequest` for what this provider does not know, what it lacks, and what cannot be right.
    """
    known = variables_of(row)
    if not known or row.auth.scheme == "none":
        raise InvalidRequest(f"{row.name} takes no credentials.", param="provider")
    given = dict(values)
    if secret is not None:
        given[_main(row)] = secret
    for name, value in given.items():
        if name not in known:
            raise InvalidRequest(
                f"{row.name} knows no `{name[:60]}`, but {', '.join(known)}.", param=f"values.{name[:60]}"
            )
        _check_value(name, value, f"values.{name}")
    if not _proves(row, given):
        raise InvalidRequest(f"A credential of {row.name} needs {_wanted(row)}.", param="values")
    for name in row.requires:
        if not given.get(name):
            raise InvalidRequest(f"A credential of {row.name} needs `{name}`.", param=f"values.{name}")
    return given


def mask_of(row: Provider, values: Mapping[str, str]) -> str:
    """`...abcd`: the end of what proves who asks; nothing of a document."""
    value = values.get(_main(row)) or next((values[name] for name in row.auth.token if values.get(name)), "")
    return f"...{value[-4:]}" if len(value) >= 16 and "{" not in value else "..."


def _main(row: Provider) -> str:
    match row.auth.scheme:
        case "google":
            return GOOGLE_JSON
        case "sigv4":
            return row.auth.token[0] if row.auth.token else _AWS_KEYS[0]
        case _:
            return row.auth.secret[0]


def _proves(row: Provider, given: Mapping[str, str]) -> bool:
    if any(given.get(name) for name in row.auth.token):
        return True
    match row.auth.scheme:
        case "sigv4":
            return all(given.get(name) for name in _AWS_KEYS)
        case "google":
            return bool(given.get(GOOGLE_JSON))
        case _:
            return any(given.get(name) for name in row.auth.secret)


def _wanted(row: Provider) -> str:
    match row.auth.scheme:
        case "sigv4":
            ways = [" and ".join(_AWS_KEYS), *row.auth.token]
        case "google":
            ways = [GOOGLE_JSON, *row.auth.token]
        case _:
            ways = [*row.auth.secret, *row.auth.token]
    return " or ".join(ways)


def _check_value(name: str, value: str, param: str) -> None:
    if name == GOOGLE_JSON:
        _check_service_account(value, param)
    elif name.endswith("_ENDPOINT"):
        if not _AZURE.fullmatch(value):
            raise InvalidRequest(f"`{name}` must look like https://name.openai.azure.com.", param=param)
    elif name.endswith(("_REGION", "_LOCATION", "_PROJECT", "_ID")) and not _WORD.fullmatch(value):
        raise InvalidRequest(f"`{name}` may hold letters, digits and `.-_:/@` only.", param=param)
    elif not (value.isascii() and value.isprintable()) or not value.strip() or " " in value:
        raise InvalidRequest(f"`{name}` must be printable characters without spaces.", param=param)
    if name.endswith(("_REGION", "_LOCATION", "_PROJECT")) and ("/" in value or "@" in value or ".." in value):
        raise InvalidRequest(f"`{name}` goes into an address, and cannot hold `/`, `@` or `..`.", param=param)


def _check_service_account(text: str, param: str) -> None:
    """Only what stands by itself: other kinds of Google credentials name files, programs and addresses to ask."""
    try:
        document = msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise InvalidRequest(
            f"`{GOOGLE_JSON}` must be the JSON text of a service account's key.", param=param
        ) from None
    if document.get("type") != "service_account" or document.get("token_uri") != _TOKEN_URI:
        raise InvalidRequest(
            f"`{GOOGLE_JSON}` must be a service account's key, with the token_uri {_TOKEN_URI}.", param=param
        )
