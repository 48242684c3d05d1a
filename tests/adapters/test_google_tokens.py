"""A key file is exchanged for tokens at its `token_uri`, early, once for all."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from urllib.parse import parse_qs

import google.auth.jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from services.adapters.auth.google import GoogleBearer, GoogleToken, LibrarySource
from services.adapters.credentials import EnvironmentCredentials
from services.adapters.dialect import Kind, UpstreamError
from services.catalog.catalog import load

_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = (
    _KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


class TokenServer:
    """Google's token endpoint, as far as a service account needs it."""

    def __init__(self) -> None:
        self.status = 200
        self.delay_s = 0.0
        self.assertions: list[dict[str, object]] = []
        owner, lock = self, Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                with lock:
                    owner.assertions.append(google.auth.jwt.decode(form["assertion"][0], certs=PUBLIC))
                    count = len(owner.assertions)
                sleep(owner.delay_s)
                body = {"access_token": f"canary-token-{count}", "expires_in": 3600, "token_type": "Bearer"}
                if owner.status != 200:
                    body = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
                self.send_response(owner.status)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[TokenServer]:
    made = TokenServer()
    yield made
    made.close()


@pytest.fixture
def key_file(tmp_path: Path, server: TokenServer) -> Path:
    path = tmp_path / "account.json"
    account = {
        "type": "service_account",
        "project_id": "example-project",
        "private_key_id": "1",
        "private_key": PEM,
        "client_email": "robot@example-project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": server.url,
    }
    path.write_text(json.dumps(account))
    return path


def bearer(key_file: Path) -> GoogleBearer:
    environment = {"GOOGLE_APPLICATION_CREDENTIALS": str(key_file), "GOOGLE_CLOUD_PROJECT": "example-project"}
    made = EnvironmentCredentials(load().configured(environment).providers, environment).for_provider("vertex")
    assert isinstance(made, GoogleBearer)
    return made


async def ask(authorizer: GoogleBearer) -> str:
    added = await authorizer.authorize("POST", "https://aiplatform.googleapis.com/", {}, b"")
    return added["authorization"]


async def test_a_key_file_is_exchanged_at_its_token_uri(key_file: Path, server: TokenServer):
    """A signed assertion for the cloud scope buys a token, which is used for every call after."""
    authorizer = bearer(key_file)
    held = authorizer.secrets
    assert [await ask(authorizer) for _ in range(3)] == ["Bearer canary-token-1"] * 3
    (assertion,) = server.assertions
    assert assertion["iss"] == "robot@example-project.iam.gserviceaccount.com"
    assert assertion["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert {"canary-token-1", "example-project"} <= set(held)
    assert "canary" not in repr(authorizer)


async def test_fifty_callers_make_one_exchange(key_file: Path, server: TokenServer):
    """Everyone waits for the same first token."""
    server.delay_s = 0.1
    authorizer = bearer(key_file)
    assert set(await asyncio.gather(*(ask(authorizer) for _ in range(50)))) == {"Bearer canary-token-1"}
    assert len(server.assertions) == 1


async def test_a_refused_key_is_named_and_tried_again(key_file: Path, server: TokenServer):
    """A failed exchange fails all who wait for it, once; the next call tries again."""
    server.status = 400
    authorizer = bearer(key_file)
    answers = await asyncio.gather(*(ask(authorizer) for _ in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {UpstreamError}
    assert len(server.assertions) == 1
    with pytest.raises(UpstreamError, match="no access token") as error:
        await ask(authorizer)
    assert error.value.kind is Kind.CREDENTIAL
    server.status = 200
    assert await ask(authorizer) == "Bearer canary-token-3"


async def test_an_unreachable_token_service_is_not_a_wrong_key(key_file: Path, server: TokenServer):
    """The operator is told to look at the network, not at the key."""
    server.close()
    with pytest.raises(UpstreamError, match="cannot be reached") as error:
        await ask(bearer(key_file))
    assert error.value.kind is Kind.UNAVAILABLE


@pytest.mark.parametrize("content", [None, "", "{}", '{"type": "service_account"}'])
async def test_a_file_that_is_no_credential_is_refused(tmp_path: Path, content: str | None):
    """A missing, empty or foreign file is the operator's mistake."""
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UpstreamError) as error:
        LibrarySource(str(path))()
    assert error.value.kind is Kind.CREDENTIAL


class Source:
    """Tokens of an hour, at a hand-set time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.made = 0
        self.failing = False

    def clock(self) -> float:
        return self.now

    def __call__(self) -> GoogleToken:
        self.made += 1
        if self.failing:
            raise UpstreamError(Kind.UNAVAILABLE, "down")
        return GoogleToken(f"t{self.made}", self.now + 3600.0, project="payer")


@pytest.fixture
def source() -> Source:
    return Source()


async def settled() -> None:
    """Until nothing is under way any more."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


async def test_a_token_is_replaced_early_while_calls_go_on(source: Source):
    """Under load near its end one new token is fetched, and nobody waits for it."""
    authorizer = GoogleBearer(source, scope="s", secrets=["x"], clock=source.clock)
    assert await ask(authorizer) == "Bearer t1"
    source.now = 3299.0
    assert await ask(authorizer) == "Bearer t1"
    await settled()
    assert source.made == 1
    source.now = 3301.0
    assert set(await asyncio.gather(*(ask(authorizer) for _ in range(100)))) == {"Bearer t1"}
    await settled()
    assert source.made == 2
    assert await ask(authorizer) == "Bearer t2"
    assert authorizer.secrets == ["t2", "t1", "x"]


async def test_a_failing_refresh_is_repeated_gently_until_the_token_ends(source: Source):
    """As long as the last token works, callers notice nothing, and the service is asked every ten seconds."""
    authorizer = GoogleBearer(source, scope="s", secrets=[], clock=source.clock)
    await ask(authorizer)
    source.failing = True
    for source.now in (3301.0, 3302.0, 3310.9, 3311.0):
        assert await ask(authorizer) == "Bearer t1"
        await settled()
    assert source.made == 3
    source.now = 3600.0
    with pytest.raises(UpstreamError, match="down"):
        await ask(authorizer)


async def test_the_project_that_pays_goes_along(source: Source):
    """A user's credential names the project to charge."""
    authorizer = GoogleBearer(source, scope="s", secrets=[], clock=source.clock)
    assert (await authorizer.authorize("POST", "", {}, b""))["x-goog-user-project"] == "payer"


async def test_a_caller_that_leaves_does_not_stop_the_exchange(source: Source):
    """The token that one caller began to fetch is there for the next."""
    authorizer = GoogleBearer(source, scope="s", secrets=[], clock=source.clock)
    first = asyncio.ensure_future(ask(authorizer))
    await asyncio.sleep(0)
    first.cancel()
    assert await ask(authorizer) == "Bearer t1"
    assert source.made == 1
