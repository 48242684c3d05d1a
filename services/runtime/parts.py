"""The objects of one process, each made when it is first needed."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import cached_property, partial
from pathlib import Path
from random import Random
from secrets import token_hex
from time import time

import grpc

from services.adapters.adapter import Adapter
from services.adapters.counting import NoCounts, ProviderCounts
from services.adapters.credentials import EnvironmentCredentials
from services.adapters.own_credentials import SealedCredentials
from services.billing.ledger.lease import Lease
from services.billing.meter import LedgerMeter
from services.billing.pricing import Pricing
from services.billing.remote import RemoteMeter
from services.byok.vault import Vault
from services.catalog.catalog import Catalog
from services.catalog.local import LOCAL
from services.catalog.schema import Provider
from services.errors import GatewayError, Overloaded
from services.keys.keyring import DatabaseKeyRing
from services.limits.limiter import BucketLimiter
from services.management.desk import Tools
from services.management.office import Office
from services.models.pages import Library
from services.ports import Adapters, Meter, Router, TokenCounter
from services.responses.service import Responses
from services.routing.affinity import Affinity
from services.routing.breaker import Breakers
from services.routing.failover import Failover
from services.routing.health import LiveHealth
from services.routing.hedging import Hedging
from services.routing.metrics.live import LiveMetrics
from services.routing.metrics.sharing import Sharing, open_store
from services.routing.router import CatalogRouter
from services.routing.told import Told
from services.runtime import limits, storage
from services.runtime.catalogues import Catalogues
from services.runtime.keys import credentials_sealer, hasher_of
from services.runtime.local_office import providers
from services.runtime.server import MESSAGE_BYTES_MAX
from services.runtime.settings import Settings, SettingsError
from services.runtime.state import State, state_of
from services.storage.database import Database
from services.tokens.counter import Counter
from services.wire.fetch import Fetcher
from services.wire.http import Http, Timeouts


class Parts:
    """The plain objects, each made when it is first needed and closed by `stack`."""

    def __init__(self, settings: Settings, stack: AsyncExitStack, folder: Path | None) -> None:
        self.settings = settings
        self._folder = folder
        self._stack = stack
        self._random = Random()  # noqa: S311 - jitter, no secret

    @cached_property
    def catalogues(self) -> Catalogues:
        """What this environment can serve, now and after the next change."""
        catalogues = Catalogues(self.settings)
        self._stack.push_async_callback(catalogues.close)
        return catalogues

    @cached_property
    def pricing(self) -> Pricing:
        """Prices, for billing and for routing by cost."""
        pricing = Pricing(self.catalogues.current.prices)
        self.catalogues.follow(lambda catalog: pricing.show(catalog.prices))
        return pricing

    @cached_property
    def health(self) -> LiveHealth:
        """What this process knows of its targets. Raises `SettingsError`."""
        try:
            told = Told(self._folder / "told") if self._folder is not None else None
        except OSError as error:
            raise SettingsError(f"TMPDIR: no room for what providers ask to wait: {error.strerror}.") from None
        return LiveHealth(self.metrics, Breakers(self._random, told), time)

    @cached_property
    def metrics(self) -> LiveMetrics:
        """What attempts were like."""
        return LiveMetrics(clock=time)

    def share_metrics(self) -> None:
        """Keeps the metrics over restarts and shares them with the other processes. Raises `SettingsError`."""
        redis = self.settings.redis_url
        try:
            store = open_store(self.settings.data_dir, redis.reveal() if redis else None, writer=token_hex(8))
        except ValueError as error:
            raise SettingsError(f"REDIS_URL: {error}") from None
        except OSError as error:
            raise SettingsError(f"CONCENTRATE_DATA_DIR: {error}") from None
        sharing = Sharing(self.metrics, store, clock=time, random=self._random)
        sharing.start()
        self._stack.push_async_callback(sharing.close)

    @cached_property
    def affinity(self) -> Affinity:
        """Where prompts' prefixes are warm."""
        return Affinity()

    @cached_property
    def limiter(self) -> BucketLimiter:
        """Who may ask how much. To be started."""
        slug = partial(_slug, self.catalogues)
        limiter = limits.limiter(self.settings, self.keys, slug, self._folder)
        self.catalogues.follow(lambda _: limiter.forget())
        self._stack.push_async_callback(limiter.close)
        return limiter

    def router(self) -> Router:
        unlisted = self.settings.unlisted_models == "allow"
        router = CatalogRouter(self.catalogues.current, self.pricing, self.health, self.affinity, unlisted=unlisted)
        self.catalogues.follow(partial(setattr, router, "catalog"))
        return router

    def failover(self, adapters: Adapters) -> Failover:
        settings = self.settings
        hedging = Hedging(self.health, share_max=settings.hedge_percent_max / 100)
        return Failover(adapters, self.health, first_content_s=settings.first_content_seconds, hedging=hedging)

    def library(self) -> Library:
        library = Library(self.catalogues.current)
        self.catalogues.follow(library.show)
        return library

    @cached_property
    def _upstream(self) -> tuple[Http, EnvironmentCredentials, SealedCredentials]:
        """How providers are reached, and as whom: by the gateway's credentials, or by those that callers brought."""
        settings = self.settings
        timeouts = Timeouts(
            settings.upstream_connect_seconds, settings.upstream_first_byte_seconds, settings.upstream_idle_seconds
        )
        http = Http(timeouts)
        self._stack.push_async_callback(http.close)
        credentials = EnvironmentCredentials(_asked(self.catalogues.current), settings.environment)
        self.catalogues.follow(lambda catalog: credentials.show(_asked(catalog)))
        vault = Vault(lambda: self.database, credentials_sealer(settings))
        own = SealedCredentials(vault.open, providers(settings), settings.environment)
        return http, credentials, own

    def adapters(self) -> Adapters:
        return Adapter(*self._upstream, Fetcher() if self.settings.fetch_urls == "on" else None)

    def counter(self) -> TokenCounter:
        return Counter(NoCounts() if self.settings.adapters_address else ProviderCounts(*self._upstream))

    def meter(self) -> Meter:
        """The meter of this process, or that of a service elsewhere."""
        if not self.settings.billing_address:
            return self.ledger_meter
        remote = RemoteMeter(self.channel(self.settings.billing_address))
        remote.start()
        self.closing(remote.close)
        return remote

    @cached_property
    def ledger_meter(self) -> LedgerMeter:
        """The meter of this process, for itself or for gateways that have its address."""
        lease = Lease(self.database, clock=time, seconds=self.settings.hold_lease_seconds, random=self._random)
        unpriced = self.settings.unpriced_models
        if unpriced == "auto":
            unpriced = self.settings.unlisted_models
        return LedgerMeter(self.database, self.pricing, clock=time, lease=lease, unpriced=unpriced)

    def closing(self, close: Callable[[], Awaitable[None]]) -> None:
        """Has a part closed on the way out, before those that were there before it."""
        self._stack.push_async_callback(close)

    async def start_billing(self) -> None:
        """Has holds expire, those of this process too should it die. Raises `SettingsError`."""
        meter = self.ledger_meter
        try:
            await meter.start()
        except Overloaded as error:
            raise SettingsError(f"DATABASE_URL: {error.message}") from None
        self._stack.push_async_callback(meter.close)

    @cached_property
    def database(self) -> Database:
        """The database, brought to the revision of this code. Raises `SettingsError`."""
        database = storage.ready(self.settings)
        self._stack.push_async_callback(database.close)
        return database

    def state(self, responses: Responses) -> State:
        """What outlives a request; work in the background begins."""
        state = state_of(self.settings, self.database, responses)
        self._stack.push_async_callback(state.background.close)
        state.background.start()
        return state

    @cached_property
    def keys(self) -> DatabaseKeyRing:
        """Who may call. Asks for changes from now on."""
        keys = DatabaseKeyRing(self.database, hasher_of(self.settings))
        keys.start()
        self._stack.push_async_callback(keys.close)
        return keys

    def office(self) -> Office:
        """Administration."""
        settings = self.settings
        sealer, tiers = credentials_sealer(settings), limits.tiers(settings).names
        tools = Tools(hasher_of(settings), sealer, providers(settings), tiers)
        return Office(self.database, tools, self.keys)

    def channel(self, address: str) -> grpc.aio.Channel:
        """A connection to a service apart."""
        options = (
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        )
        channel = grpc.aio.insecure_channel(address, options=options)
        self._stack.push_async_callback(channel.close)
        return channel


def _slug(catalogues: Catalogues, name: str) -> str:
    """The model behind a name: limits of a model hold for all of its names. What is not listed is its own."""
    try:
        return catalogues.current.model(name).id
    except GatewayError:
        return name


def _asked(catalog: Catalog) -> Mapping[str, Provider]:
    """Who may be asked: those of the catalogue, and servers on this machine, which come and go."""
    return {LOCAL.id: LOCAL, **catalog.providers}
