"""The rows of the catalogue: providers, models, offers, servers; and `Target`, what one call to one provider needs of them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from services.vocabulary.call import Effort

DIALECTS = frozenset(
    {
        "anthropic_bedrock",
        "anthropic_messages",
        "anthropic_vertex",
        "bedrock_converse",
        "cohere_chat",
        "gemini",
        "openai_chat",
        "openai_responses",
        "sandbox",
    }
)

Scalar = str | int | float | bool | list[str] | None


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider wants to be asked who we are.

    scheme: bearer (`Authorization: Bearer`), header (`header: <secret>`), sigv4, google, or none.
    secret: environment variables that may hold the secret, first one set wins; none listed: none is needed. For sigv4 and
    google, what to check when the provider refuses the credential.
    header: the header's name, for the scheme of that name.
    token: variables that may hold a ready bearer token; one that is set is used instead of the scheme.
    loopback_token: the same, but only where the base URL is a loopback address and nothing else is set.
    """

    scheme: Literal["bearer", "header", "sigv4", "google", "none"] = "bearer"
    secret: list[str] = []
    header: str = "authorization"
    token: list[str] = []
    loopback_token: list[str] = []


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One place that serves models. A row of `services/catalog/providers/*.yaml` or of the file CONCENTRATE_CONFIG names.

    dialect: the wire format it speaks; `dialects` maps model-id prefixes to others where it speaks several (longest wins).
    native: parts of model ids and the wire format that carries a client's own body to them, where that is another.
    also: wire formats it speaks besides, for callers whose request needs what the usual one lacks (adapters/spoken.py).
    base_url: may hold placeholders, filled from the environment (else from `defaults`): `{NAME}` or `{NAME|OTHER}`, first
    one set. One without a value leaves the provider unconfigured, as does a variable of `requires`. Values of those are
    account and project ids and never shown to anyone.
    base_urls: the base_url instead, for a value of a variable (`GOOGLE_CLOUD_LOCATION=global`).
    base_url_env: the variable that replaces base_url, read as the provider's own SDK reads it.
    paths: what goes between base URL and the dialect's own path, by dialect; placeholders as in base_url.
    headers: sent with every call; placeholders as in base_url, but one without a value only leaves the header out.
    quirks: what this provider does otherwise than its dialect; each dialect documents its own.
    prices: the provider's id in the price data, where it differs from `id`; `{suffix}` stands for what follows the colon
    of the upstream model id; `free` for a provider that costs nothing.
    unlisted: model ids that no row lists are served always, not only where the gateway's settings allow it.
    zdr: it keeps nothing of what it is sent unless an offer says otherwise: the page, or the agreement, that says so.
    docs: the pages all this was read from.
    """

    id: str
    name: str
    dialect: str
    base_url: str
    auth: Auth = Auth()
    dialects: dict[str, str] = {}
    native: dict[str, str] = {}
    base_url_env: str | None = None
    base_urls: dict[str, str] = {}
    paths: dict[str, str] = {}
    defaults: dict[str, str] = {}
    requires: list[str] = []
    aliases: list[str] = []
    headers: dict[str, str] = {}
    quirks: dict[str, Scalar] = {}
    prices: str | None = None
    unlisted: bool = False
    zdr: str | None = None
    docs: list[str] = []
    also: list[str] = []


class LocalServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A program that serves models on this machine: a row of `services/catalog/local.yaml`.

    port: of 127.0.0.1, where it is looked for. path: what stands before `/models`, its list, and before the dialect's own.
    owned_by: what its list says of its models, if anything; a list that says otherwise is another program's.
    """

    id: str
    name: str
    port: Annotated[int, msgspec.Meta(gt=0, lt=65536)]
    path: str = "/v1"
    owned_by: str | None = None
    dialect: str = "openai_chat"
    quirks: dict[str, Scalar] = {}


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model can do, as far as a dialect or a check has to know. None means: not known, so not restricted.

    efforts: reasoning efforts the model accepts; None when unknown, empty when it does not reason.
    thinking: how an Anthropic model is told to think: a token budget, adaptively, or not at all.
    """

    context: int | None = None
    max_output: int | None = None
    efforts: list[Effort] | None = None
    thinking: Literal["budget", "adaptive", "none"] | None = None
    images: bool | None = None
    pdfs: bool | None = None
    tools: bool | None = None
    json_schema: bool | None = None
    web_search: bool | None = None
    temperature: bool | None = None


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model at a provider. `upstream` is the id the provider knows it by (default: the model's own id).

    snapshots: other ids of the same model at this provider, dated ones and its own aliases; who asks for one is served
    exactly that one.
    facts: replaces single facts of the model where the provider differs.
    region: where the upstream id is served, when that is more than the account's own choice (`us`, `global`).
    zdr: whether the provider keeps nothing of what it is sent for this model, or the page that says so; None: as the
    provider's row says.
    deprecated_at: ISO date from which the provider no longer promises it.
    unpriced: why there is no list price for it, if there is none.
    """

    provider: str
    upstream: str | None = None
    snapshots: list[str] = []
    dialect: str | None = None
    facts: Facts | None = None
    region: str = ""
    zdr: bool | str | None = None
    deprecated_at: str | None = None
    unpriced: str = ""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model by its canonical slug, the same at every provider. `created`: ISO date of its release (`2026-02-05`).

    author_name, description: for people. Without a description one is made of the facts.
    tier: quality for `auto`, 1 (small and cheap) to 5 (the best there is); None keeps the model out of `auto`. tier_basis:
    what that judgement rests on.
    deprecated_at: ISO date from which nobody promises it any more.
    """

    id: str
    author: str
    created: str
    offers: list[Offer]
    name: str = ""
    aliases: list[str] = []
    facts: Facts = Facts()
    author_name: str = ""
    description: str = ""
    tier: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    tier_basis: str = ""
    deprecated_at: str | None = None


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars per million tokens of each class, and per thousand web searches. None: as the price data says."""

    input: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    output: Decimal | None = None
    web_searches: Decimal | None = None


class RateTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rates of a call with more than `above` prompt tokens, all of its tokens."""

    above: int
    rates: Rates


class PriceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A price of our own for `model` (the provider's id for it; a trailing `*` stands for any rest) from `since` on.

    since: ISO date, from its first second in UTC; without one, always. Of several rows that apply, those of later dates and
    then later rows go on top of the others.
    rates: replace single rates of the price data; where that knows no price, `input` and `output` must be given.
    source: the page it was read from.
    """

    provider: str
    model: str
    rates: Rates
    tiers: list[RateTier] = []
    since: str = ""
    source: str = ""


class Target(msgspec.Struct, frozen=True):
    """One provider to be asked for one model: everything a dialect needs to know besides the call.

    model: the public slug; `provider/model` names what served. upstream: the id to send. listed: in the catalogue
    (an unlisted model has no price and no known facts). zdr: the provider keeps nothing of
    what this offer is asked. region: as in the offer. credential: the id of the caller's own credential (BYOK) to ask with;
    empty for the gateway's.
    """

    provider: Provider
    dialect: str
    model: str
    upstream: str
    facts: Facts = Facts()
    listed: bool = True
    zdr: bool = False
    region: str = ""
    credential: str = ""

    @property
    def id(self) -> str:
        """`provider/model`, as answers and errors name it."""
        return f"{self.provider.id}/{self.model}"

    @property
    def base_url(self) -> str:
        """What the path of a dialect's request is appended to, without a trailing slash."""
        return self.provider.base_url + self.provider.paths.get(self.dialect, "")

    @property
    def quirks(self) -> Mapping[str, Scalar]:
        """What the provider does otherwise than its dialect."""
        return self.provider.quirks
