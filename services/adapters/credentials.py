"""All credentials there are: one authorizer per configured provider, made from its row and the environment."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from services.adapters.auth.aws import AwsSigner, ChainKeys, FixedKeys
from services.adapters.auth.fingerprint import fingerprint
from services.adapters.auth.google import GoogleBearer, LibrarySource
from services.adapters.auth.sigv4 import AwsKeys
from services.adapters.auth.static import StaticHeaders
from services.adapters.authorizer import Authorizer
from services.adapters.dialect import Kind, UpstreamError
from services.catalog.environment import has_credentials, has_google_credentials, is_loopback
from services.catalog.schema import Provider

GOOGLE_JSON = "GOOGLE_CREDENTIALS_JSON"
"""A service account's key as text, instead of the name of a file that holds it. Only credentials that callers brought have it:
where they come from nobody can be let name files."""

_AWS_SERVICE = "bedrock"
_AWS_REGION = "us-east-1"  # where neither variable is set because the base URL is
_PRIVATE_LENGTH_MIN = 5  # shorter values are parts of ordinary words


class EnvironmentCredentials:
    """Implements `Credentials` for the providers of a configured catalogue. An authorizer is kept as long as its row."""

    def __init__(self, providers: Mapping[str, Provider], environment: Mapping[str, str]) -> None:
        """`providers`: configured ones, by id. `environment`: where their rows' variables are looked up."""
        self._providers = providers
        self._environment = environment
        self._authorizers: dict[str, Authorizer] = {}

    def show(self, providers: Mapping[str, Provider]) -> None:
        """Other providers from now on. Those whose rows are the same keep their tokens."""
        self._authorizers = {
            id: authorizer
            for id, authorizer in self._authorizers.items()
            if providers.get(id) == self._providers.get(id)
        }
        self._providers = providers

    def for_provider(self, provider_id: str) -> Authorizer:
        """The credential of a provider. Raises `UpstreamError(CREDENTIAL)` for one that is not configured."""
        authorizer = self._authorizers.get(provider_id)
        if authorizer is None:
            provider = self._providers.get(provider_id)
            if provider is None:
                raise UpstreamError(Kind.CREDENTIAL, f"There is no credential for {provider_id} here.")
            authorizer = self._authorizers[provider_id] = authorizer_of(provider, self._environment)
        return authorizer


def authorizer_of(provider: Provider, environment: Mapping[str, str]) -> Authorizer:
    """The authorizer of one provider. Raises `UpstreamError(CREDENTIAL)` when nothing it could use is set."""
    auth = provider.auth
    private = private_values(provider, environment)
    if (token := _first(auth.token, environment)) is not None:
        return _bearer(provider, token, private)
    match auth.scheme:
        case "none":
            return StaticHeaders({}, fingerprint(provider.id), private)
        case "bearer" | "header" if not auth.secret:  # a server of one's own that asks nobody
            return StaticHeaders({}, fingerprint(provider.id), private)
        case "bearer" if (secret := _first(auth.secret, environment)) is not None:
            return _bearer(provider, secret, private)
        case "header" if (secret := _first(auth.secret, environment)) is not None:
            return StaticHeaders({auth.header: secret}, fingerprint(provider.id, secret), [secret, *private])
        case "sigv4" if has_credentials(provider, environment):
            return _aws(provider, environment, private)
        case "google" if environment.get(GOOGLE_JSON) or has_google_credentials(environment):
            return _google(provider, environment, private)
    if is_loopback(provider.base_url) and (token := _first(auth.loopback_token, environment)) is not None:
        return _bearer(provider, token, private)
    raise UpstreamError(Kind.CREDENTIAL, f"There is no credential for {provider.name} here.")


def private_values(provider: Provider, environment: Mapping[str, str]) -> Sequence[str]:
    """What else is nobody's business, longest first: account and project ids, an address that is the operator's own."""
    given = {value.rstrip("/") for value in environment.values()}
    values = {environment.get(name, "") for name in provider.requires}
    values |= given & {*provider.headers.values()}
    if provider.base_url in given or _is_within(provider.base_url):
        values |= {provider.base_url, urlsplit(provider.base_url).netloc}
    return sorted((value for value in values if len(value) >= _PRIVATE_LENGTH_MIN), key=len, reverse=True)


def _is_within(url: str) -> bool:
    """Whether an address means something only where the gateway runs: a short name, a port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.port is not None or "." not in host or host.endswith((".internal", ".local", ".lan"))


def _bearer(provider: Provider, token: str, private: Sequence[str]) -> Authorizer:
    return StaticHeaders({"authorization": f"Bearer {token}"}, fingerprint(provider.id, token), [token, *private])


def _aws(provider: Provider, environment: Mapping[str, str], private: Sequence[str]) -> Authorizer:
    access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    region = _first(("AWS_REGION", "AWS_DEFAULT_REGION"), environment) or _AWS_REGION
    if access_key and secret_key:
        keys = AwsKeys(access_key, secret_key, environment.get("AWS_SESSION_TOKEN") or None)
        secrets = [value for value in (access_key, secret_key, keys.token) if value]
        scope = fingerprint(provider.id, access_key)
        return AwsSigner(
            FixedKeys(keys), region=region, service=_AWS_SERVICE, scope=scope, secrets=[*secrets, *private]
        )
    # Temporary keys come and go; what stays is who they are for.
    profile = environment.get("AWS_PROFILE") or None
    scope = fingerprint(provider.id, "chain", profile or "", environment.get("AWS_ROLE_ARN", ""))
    return AwsSigner(ChainKeys(profile), region=region, service=_AWS_SERVICE, scope=scope, secrets=private)


def _google(provider: Provider, environment: Mapping[str, str], private: Sequence[str]) -> Authorizer:
    key_json = environment.get(GOOGLE_JSON) or None
    source = LibrarySource(environment.get("GOOGLE_APPLICATION_CREDENTIALS") or None, key_json)
    scope = fingerprint(provider.id, environment.get("GOOGLE_CLOUD_PROJECT", ""))
    return GoogleBearer(source, scope=scope, secrets=private)


def _first(names: Sequence[str], environment: Mapping[str, str]) -> str | None:
    return next((value for name in names if (value := environment.get(name))), None)
