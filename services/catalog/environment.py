"""Which providers can be asked, given an environment: their credentials exist and their URLs have no holes."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from services.catalog.reading import CatalogError
from services.catalog.schema import Provider

_PLACEHOLDER = re.compile(r"\{([A-Z0-9_|]+)\}")
_DMI = Path("/sys/class/dmi/id")  # who made this machine, as the cloud's own libraries find out

Environment = Mapping[str, str]


def configure(provider: Provider, environment: Environment) -> Provider | None:
    """The provider with every URL, path and header filled in; None when something it needs is not set."""
    filled = fill(provider, environment)
    if filled is None or not has_credentials(filled, environment):
        return None
    return filled


def fill(provider: Provider, environment: Environment) -> Provider | None:
    """The provider with its placeholders filled; None when a variable it requires is missing."""
    if any(not environment.get(name) for name in provider.requires):
        return None
    base_url = _base_url(provider, environment)
    paths = {dialect: _fill(path, provider, environment) for dialect, path in provider.paths.items()}
    if base_url is None or any(path is None for path in paths.values()):
        return None
    headers = {name: _fill(value, provider, environment) for name, value in provider.headers.items()}
    return msgspec.structs.replace(
        provider,
        base_url=base_url.rstrip("/"),
        paths={dialect: path for dialect, path in paths.items() if path is not None},
        headers={name: value for name, value in headers.items() if value is not None},
    )


def has_credentials(provider: Provider, environment: Environment) -> bool:
    """Whether there is something to sign calls with. No network is asked; a machine's role counts as a credential."""
    auth = provider.auth
    if any(environment.get(name) for name in auth.token):
        return True
    if is_loopback(provider.base_url) and any(environment.get(name) for name in auth.loopback_token):
        return True
    match auth.scheme:
        case "none":
            return True
        case "sigv4":
            return _aws(environment)
        case "google":
            return has_google_credentials(environment)
        case _:
            return not auth.secret or any(environment.get(name) for name in auth.secret)


def missing(provider: Provider, environment: Environment) -> list[str]:
    """What to set so that the provider is configured: names of variables, alternatives joined by `or`."""
    templates = [*provider.paths.values()]
    if provider.base_url_env is None or not environment.get(provider.base_url_env):
        templates.append(provider.base_url)
    names = [name for template in templates for name in _PLACEHOLDER.findall(template)]
    holes = [
        name for name in dict.fromkeys((*provider.requires, *names)) if _value(name, provider, environment) is None
    ]
    if not has_credentials(provider, environment):
        holes.append("|".join((*provider.auth.secret, *provider.auth.token)))
    return [hole.replace("|", " or ") for hole in holes]


def is_loopback(url: str) -> bool:
    """Whether a URL points to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback or ip_address(host).is_unspecified
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_url(provider: Provider) -> None:
    """Raises `CatalogError` for a base URL that nobody can be asked at."""
    parts = urlsplit(provider.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        variable = f" ({provider.base_url_env})" if provider.base_url_env else ""
        raise CatalogError(
            f"provider {provider.id}: base_url{variable} must look like https://host/path, not `{provider.base_url}`"
        )
    _port(provider.base_url)


def refuse_own_address(provider: Provider, port: int) -> None:
    """Raises `CatalogError` when the provider's base URL is this gateway: people export the names for their clients too."""
    if is_loopback(provider.base_url) and _port(provider.base_url) == port:
        variable = provider.base_url_env or f"The base_url of provider {provider.id}"
        raise CatalogError(
            f"{variable} is the address of this gateway ({provider.base_url}), so a call would go round in "
            f"circles. The gateway's own process needs the provider's address there."
        )


def _port(url: str) -> int:
    parts = urlsplit(url)
    try:
        return parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise CatalogError(f"{url}: {error}") from error


def _base_url(provider: Provider, environment: Environment) -> str | None:
    if provider.base_url_env is not None and (url := environment.get(provider.base_url_env)):
        return url
    for condition, url in provider.base_urls.items():
        name, _, value = condition.partition("=")
        if _value(name, provider, environment) == value:
            return _fill(url, provider, environment)
    return _fill(provider.base_url, provider, environment)


def _fill(template: str, provider: Provider, environment: Environment) -> str | None:
    filled = template
    for names in _PLACEHOLDER.findall(template):
        value = _value(names, provider, environment)
        if value is None:
            return None
        filled = filled.replace(f"{{{names}}}", value)
    return filled


def _value(names: str, provider: Provider, environment: Environment) -> str | None:
    for name in names.split("|"):
        if value := environment.get(name):
            return value
    return next((provider.defaults[name] for name in names.split("|") if name in provider.defaults), None)


def _aws(environment: Environment) -> bool:
    """Whether the AWS chain has a link: keys, profile, web identity, container role, shared file or instance role."""
    if environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
        return True
    links = ("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    if any(environment.get(name) for name in (*links, "AWS_CONTAINER_CREDENTIALS_FULL_URI")):
        return True
    shared = environment.get("AWS_SHARED_CREDENTIALS_FILE") or _home(environment, ".aws/credentials")
    if shared is not None and Path(shared).is_file():
        return True
    return environment.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true" and _made_by("sys_vendor", "Amazon EC2")


def has_google_credentials(environment: Environment) -> bool:
    """Whether application default credentials exist: a key file, gcloud's own file, or a Google machine's account."""
    if environment.get("GOOGLE_APPLICATION_CREDENTIALS") or environment.get("K_SERVICE"):
        return True
    folder = environment.get("CLOUDSDK_CONFIG") or _home(environment, ".config/gcloud")
    if folder is not None and (Path(folder) / "application_default_credentials.json").is_file():
        return True
    return _made_by("product_name", "Google")


def _home(environment: Environment, path: str) -> str | None:
    home = environment.get("HOME")
    return str(Path(home) / path) if home else None


def _made_by(file: str, maker: str) -> bool:
    try:
        return (_DMI / file).read_text().startswith(maker)
    except OSError:
        return False
