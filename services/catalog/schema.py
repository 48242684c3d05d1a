"""The rows of the catalogue: providers, models, offers; and `Target`, what one call to one provider needs of them."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from services.vocabulary.call import Effort

Scalar = str | int | float | bool | list[str] | None


class Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider wants to be asked who we are.

    scheme: bearer (`Authorization: Bearer`), header (`header: <secret>`), sigv4, google, or none.
    secret: environment variables that may hold the secret, first one set wins.
    """

    scheme: Literal["bearer", "header", "sigv4", "google", "none"] = "bearer"
    secret: list[str] = []
    header: str = "authorization"


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One place that serves models. A row of `services/catalog/providers/*.yaml` or of the file CONCENTRATE_CONFIG names.

    dialect: the wire format it speaks; `dialects` maps model-id prefixes to others where it speaks several.
    base_url: may hold `{VARIABLE}` placeholders, filled from the environment (`requires` lists those that must be set).
    base_url_env: the variable that replaces base_url, read as the provider's own SDK reads it.
    headers: sent with every call. quirks: what this provider does otherwise than its dialect; each dialect documents its own.
    prices: the provider's id in the price data, where it differs from `id`.
    docs: the pages all this was read from.
    """

    id: str
    name: str
    dialect: str
    base_url: str
    auth: Auth = Auth()
    dialects: dict[str, str] = {}
    base_url_env: str | None = None
    requires: list[str] = []
    aliases: list[str] = []
    headers: dict[str, str] = {}
    quirks: dict[str, Scalar] = {}
    prices: str | None = None
    docs: list[str] = []


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

    `facts` replaces single facts of the model where the provider differs.
    """

    provider: str
    upstream: str | None = None
    dialect: str | None = None
    facts: Facts | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model by its canonical slug, the same at every provider. `created`: ISO date of its release."""

    id: str
    author: str
    created: str
    offers: list[Offer]
    name: str = ""
    aliases: list[str] = []
    facts: Facts = Facts()


class Target(msgspec.Struct, frozen=True):
    """One provider to be asked for one model: everything a dialect needs to know besides the call.

    model: the public slug; `provider/model` names what served. upstream: the id to send. listed: in the catalogue
    (an unlisted model has no price and no known facts).
    """

    provider: Provider
    dialect: str
    model: str
    upstream: str
    facts: Facts = Facts()
    listed: bool = True

    @property
    def id(self) -> str:
        """`provider/model`, as answers and errors name it."""
        return f"{self.provider.id}/{self.model}"

    @property
    def quirks(self) -> Mapping[str, Scalar]:
        """What the provider does otherwise than its dialect."""
        return self.provider.quirks
