"""Every setting, read once from the environment into one frozen tree. Rooms get values, never the environment.

`docs/settings.md` is printed from here (`settings_page.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from services.storage.sealing import keys_of


class SettingsError(ValueError):
    """A setting cannot be used as it is. The message names the variable and what it may be."""


class Secret:
    """A value that does not print. `reveal` it where it is used, and nowhere else."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


class Variable(NamedTuple):
    """Where a setting is read from, and what it means."""

    name: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this gateway runs. Seconds are seconds, paths are relative to the working directory."""

    port: Annotated[int, Variable("PORT", "Port of the edge: REST, SSE, gRPC and gRPC-Web.")] = 8080
    host: Annotated[str, Variable("CONCENTRATE_HOST", "Address of the edge; `0.0.0.0` to be reached from outside.")] = (
        "127.0.0.1"
    )
    workers: Annotated[int, Variable("WORKERS", "Python processes behind the edge. One uses about one core.")] = 1
    data_dir: Annotated[Path, Variable("CONCENTRATE_DATA_DIR", "Folder of the state: the database and secrets.")] = (
        Path("data")
    )
    database_url: Annotated[
        Secret | None,
        Variable(
            "DATABASE_URL",
            "PostgreSQL (`postgresql://user:password@host:5432/name`), for several machines. Without it: an SQLite file,"
            " `concentrate.db` in the state folder.",
        ),
    ] = None
    config: Annotated[
        Path | None, Variable("CONCENTRATE_CONFIG", "YAML file with more providers, models, prices and local servers.")
    ] = None
    unlisted_models: Annotated[
        Literal["deny", "allow"],
        Variable("CONCENTRATE_UNLISTED_MODELS", "Whether `provider/<any upstream id>` passes though no row lists it."),
    ] = "deny"
    discover_local: Annotated[
        Literal["on", "off"],
        Variable(
            "CONCENTRATE_DISCOVER_LOCAL",
            "Whether Ollama, LM Studio, vLLM and llama.cpp on this machine's usual ports are offered as `local/<model>`.",
        ),
    ] = "on"
    bootstrap_key: Annotated[
        Secret | None,
        Variable("CONCENTRATE_BOOTSTRAP_KEY", "A known first API key (`sk-cn-v1-…`), for scripts and tests."),
    ] = None
    secret: Annotated[
        Secret | None,
        Variable(
            "CONCENTRATE_SECRET",
            "What API keys are hashed and provider credentials encrypted with: 32 random characters or more, the same for "
            "all replicas. Default: a file in the data folder.",
        ),
    ] = None
    secret_file: Annotated[
        Path | None, Variable("CONCENTRATE_SECRET_FILE", "A file that holds it, instead of `CONCENTRATE_SECRET`.")
    ] = None
    bootstrap_credits_usd: Annotated[
        Decimal | None,
        Variable(
            "CONCENTRATE_BOOTSTRAP_CREDITS_USD",
            "Credit that the first organisation starts with; its calls are refused when it is used up. Without it nothing"
            " limits that organisation, and what it uses is recorded all the same.",
        ),
    ] = None
    hold_lease_seconds: Annotated[
        float,
        Variable(
            "HOLD_LEASE_SECONDS", "After so long the credit that a dead process held for its calls is given back."
        ),
    ] = 60.0
    unpriced_models: Annotated[
        Literal["auto", "deny", "allow"],
        Variable(
            "CONCENTRATE_UNPRICED_MODELS",
            "Whether listed models without a price serve keys whose credit is limited; `auto`: where unlisted models pass too.",
        ),
    ] = "auto"
    tls_cert_file: Annotated[
        Path | None, Variable("TLS_CERT_FILE", "PEM certificate chain. With it the port speaks TLS.")
    ] = None
    tls_key_file: Annotated[Path | None, Variable("TLS_KEY_FILE", "PEM private key of `TLS_CERT_FILE`.")] = None
    routing_address: Annotated[
        str | None, Variable("ROUTING_ADDRESS", "gRPC address of a routing service elsewhere.")
    ] = None
    adapters_address: Annotated[
        str | None, Variable("ADAPTERS_ADDRESS", "gRPC address of an adapters service elsewhere.")
    ] = None
    billing_address: Annotated[
        str | None, Variable("BILLING_ADDRESS", "gRPC address of a billing service elsewhere.")
    ] = None
    encryption_key: Annotated[
        Secret | None,
        Variable(
            "CONCENTRATE_ENCRYPTION_KEY",
            "Seals content and provider credentials (AES-256-GCM): 32 bytes in base64. Older keys after a comma still open.",
        ),
    ] = None
    store_days: Annotated[
        int, Variable("STORE_DAYS", "Age in days at which a stored response goes, if no younger one continues it.")
    ] = 30
    fetch_urls: Annotated[
        Literal["on", "off"],
        Variable(
            "CONCENTRATE_FETCH_URLS",
            "Whether images and files by public URL are fetched here for providers that fetch none.",
        ),
    ] = "on"
    compaction_model: Annotated[
        str | None,
        Variable(
            "COMPACTION_MODEL",
            "Model that writes summaries: for `/v1/responses/compact` (default: the one asked for), and, if set, for"
            " `context_management` at every provider.",
        ),
    ] = None
    background_lease_seconds: Annotated[
        float,
        Variable(
            "BACKGROUND_LEASE_SECONDS",
            "How long after a process died others take over its responses in the background.",
        ),
    ] = 15.0
    redis_url: Annotated[
        Secret | None,
        Variable("REDIS_URL", "Redis or Valkey, for what replicas share: rate limits, live routing metrics."),
    ] = None
    tiers: Annotated[
        Path | None, Variable("CONCENTRATE_TIERS", "YAML file with more tiers of rate limits (docs/limits.md).")
    ] = None
    limits_on_outage: Annotated[
        Literal["local", "refuse"],
        Variable(
            "CONCENTRATE_LIMITS_ON_OUTAGE",
            "While Redis does not answer: `local` has each replica limit by itself, `refuse` answers 503.",
        ),
    ] = "local"
    replicas: Annotated[
        int,
        Variable(
            "CONCENTRATE_REPLICAS", "Gateways that share REDIS_URL; while it is away each allows its share of a limit."
        ),
    ] = 1
    drain_seconds: Annotated[
        float, Variable("DRAIN_SECONDS", "Grace for accepted requests after SIGTERM or Ctrl-C.")
    ] = 25.0
    ping_seconds: Annotated[
        float, Variable("PING_SECONDS", "Silence after which a stream gets a comment line. At most 15.")
    ] = 5.0
    upstream_connect_seconds: Annotated[
        float, Variable("UPSTREAM_CONNECT_SECONDS", "Longest wait for a connection to a provider.")
    ] = 10.0
    upstream_first_byte_seconds: Annotated[
        float, Variable("UPSTREAM_FIRST_BYTE_SECONDS", "Longest wait for a provider's first byte.")
    ] = 600.0
    upstream_idle_seconds: Annotated[
        float, Variable("UPSTREAM_IDLE_SECONDS", "Longest silence within a provider's stream.")
    ] = 120.0
    first_content_seconds: Annotated[
        float,
        Variable("FIRST_CONTENT_SECONDS", "Longest wait for a provider's first content while another could be asked."),
    ] = 60.0
    hedge_percent_max: Annotated[
        float,
        Variable(
            "HEDGE_PERCENT_MAX", "Most of the requests with `provider.hedge` that two providers are asked for; 0: none."
        ),
    ] = 5.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Variable("LOG_LEVEL", "Least severe line logged.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "console"],
        Variable("LOG_FORMAT", "Form of log lines; `auto` is `console` on a terminal, else `json`."),
    ] = "auto"
    access_log: Annotated[
        str, Variable("CONCENTRATE_ACCESS_LOG", "Where the access log (JSON) goes: `stderr`, `off` or a file.")
    ] = "stderr"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All variables, for the catalogue alone: provider rows name the credentials and base URLs they need."""


def read(environment: Mapping[str, str]) -> Settings:
    """Reads the settings. A variable set to nothing counts as unset. Raises `SettingsError`."""
    values: dict[str, Any] = {}
    for name, kind, variable in documented():
        text = environment.get(variable.name, "").strip()
        if text:
            values[name] = _convert(variable.name, text, kind)
    # A key read from a file often ends in a line break, which no header may hold.
    stripped = {name: value.strip() for name, value in environment.items()}
    settings = Settings(**values, environment=MappingProxyType(stripped))
    _check(settings)
    return settings


def documented() -> list[tuple[str, Any, Variable]]:
    """Name, type and variable of each field that is read, in order."""
    hints = get_type_hints(Settings, include_extras=True)
    return [
        (name, hint.__origin__, hint.__metadata__[0]) for name, hint in hints.items() if get_origin(hint) is Annotated
    ]


def _convert(variable: str, text: str, kind: Any) -> Any:
    choices = [each for each in get_args(kind) if isinstance(each, str)]
    if choices:
        if text.lower() not in choices:
            raise SettingsError(f"{variable}={text!r} is none of {', '.join(choices)}.")
        return text.lower()
    (kind,) = [each for each in get_args(kind) if each is not type(None)] or [kind]
    try:
        return kind(text)
    except (ValueError, ArithmeticError) as error:
        raise SettingsError(f"{variable}={text!r} is not a number.") from error


def _check(settings: Settings) -> None:
    if not 0 < settings.port < 65536:
        raise SettingsError(f"PORT={settings.port} is not a port (1 to 65535).")
    try:
        ip_address(settings.host)
    except ValueError as error:
        raise SettingsError(f"CONCENTRATE_HOST={settings.host!r} is not an IP address.") from error
    if not 0 < settings.workers <= 256:
        raise SettingsError(f"WORKERS={settings.workers} is not between 1 and 256.")
    if not 0 < settings.replicas <= 10_000:
        raise SettingsError(f"CONCENTRATE_REPLICAS={settings.replicas} is not between 1 and 10000.")
    if not 1 <= settings.hold_lease_seconds <= 3600:
        raise SettingsError(f"HOLD_LEASE_SECONDS={settings.hold_lease_seconds} is not between 1 and 3600.")
    credit = settings.bootstrap_credits_usd
    if credit is not None and not (credit.is_finite() and 0 <= credit <= 10**9):
        raise SettingsError(f"CONCENTRATE_BOOTSTRAP_CREDITS_USD={credit} is not between 0 and 1000000000 dollars.")
    if not 0 < settings.store_days <= 36_500:
        raise SettingsError(f"STORE_DAYS={settings.store_days} is not between 1 and 36500.")
    if not 0.2 <= settings.background_lease_seconds <= 3600:
        raise SettingsError(
            f"BACKGROUND_LEASE_SECONDS={settings.background_lease_seconds} is not between 0.2 and 3600."
        )
    if settings.encryption_key is not None:
        try:
            keys_of(settings.encryption_key.reveal())
        except ValueError as error:
            raise SettingsError(f"CONCENTRATE_ENCRYPTION_KEY: {error}.") from None
    if not 0 < settings.ping_seconds <= 15:
        raise SettingsError(f"PING_SECONDS={settings.ping_seconds} is not between 0 and 15.")
    for name in ("drain", "upstream_connect", "upstream_first_byte", "upstream_idle", "first_content"):
        if not 0 <= getattr(settings, f"{name}_seconds") < float("inf"):
            raise SettingsError(f"{name.upper()}_SECONDS must be a number of seconds, zero or more.")
    if not 0 <= settings.hedge_percent_max <= 100:
        raise SettingsError(f"HEDGE_PERCENT_MAX={settings.hedge_percent_max} is not between 0 and 100.")
    for variable, file in (
        ("CONCENTRATE_CONFIG", settings.config),
        ("CONCENTRATE_TIERS", settings.tiers),
        ("CONCENTRATE_SECRET_FILE", settings.secret_file),
        ("TLS_CERT_FILE", settings.tls_cert_file),
        ("TLS_KEY_FILE", settings.tls_key_file),
    ):
        if file is not None and not file.is_file():
            raise SettingsError(f"{variable}: there is no file {str(file)!r}.")
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        raise SettingsError("TLS_CERT_FILE and TLS_KEY_FILE belong together: set both or none.")
