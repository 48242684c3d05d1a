"""Signatures equal those of AWS's own library."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import botocore.auth
import botocore.credentials
import pytest
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.auth.aws import AwsSigner, ChainKeys, FixedKeys
from services.adapters.auth.sigv4 import AwsKeys, sign
from services.adapters.credentials import EnvironmentCredentials
from services.adapters.dialect import Kind, UpstreamError
from services.catalog.catalog import load

AT = datetime(2026, 11, 20, 12, 30, 59, tzinfo=UTC)
KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
WITH_TOKEN = AwsKeys("ASIAEXAMPLE", "secret", "session/token==")


def theirs(method: str, url: str, headers: dict[str, str], body: bytes, keys: AwsKeys) -> str:
    request = AWSRequest(method=method, url=url, headers=headers, data=body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: AT)
        credentials = botocore.credentials.Credentials(keys.access_key, keys.secret_key, keys.token)
        botocore.auth.SigV4Auth(credentials, "bedrock", "us-east-1").add_auth(request)
    return str(request.headers["Authorization"])


def ours(method: str, url: str, headers: dict[str, str], body: bytes, keys: AwsKeys) -> str:
    return sign(method, url, headers, body, keys=keys, region="us-east-1", service="bedrock", at=AT)["authorization"]


@pytest.mark.parametrize(
    "url",
    [
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ax%2Fy/converse-stream",
        "http://127.0.0.1:9300/bedrock/model/m/invoke",
        "http://[::1]:9300/model/m/invoke",
        "https://host:443/a/../b//c/./d/",
        "https://host",
        "https://host/p?b=2&a=1&a=0&c",
        "https://HOST.example/%7Ex~y",
    ],
)
@pytest.mark.parametrize("keys", [KEYS, WITH_TOKEN], ids=["keys", "session"])
def test_signatures_are_botocores(url: str, keys: AwsKeys):
    """Escaped model ids, ports, dots in paths, queries, session tokens."""
    headers = {"content-type": "application/json", "Accept": " a/b,   c/d ", "User-Agent": "x"}
    assert ours("POST", url, headers, b'{"a": 1}', keys) == theirs("POST", url, headers, b'{"a": 1}', keys)


SEGMENT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@given(
    st.sampled_from(["GET", "POST"]),
    st.lists(SEGMENT.map(lambda text: quote(text, safe="")), max_size=4),
    st.dictionaries(st.sampled_from(["content-type", "X-B", "x-a", "Accept", "Connection"]), VALUE),
    st.binary(max_size=64),
)
def test_any_request_is_signed_as_botocore_signs_it(method: str, path: list[str], headers: dict[str, str], body: bytes):
    """Whatever the path, the headers and the body."""
    url = f"https://host.example/{'/'.join(path)}"
    headers.pop("Connection", None)  # botocore signs it; it is not ours to promise what a proxy does with it
    assert ours(method, url, headers, body, KEYS) == theirs(method, url, headers, body, KEYS)


def test_the_sender_gets_all_signed_headers():
    """What is added besides the signature: the date, and the token of a session."""
    added = sign("POST", "https://h/", {}, b"", keys=WITH_TOKEN, region="r", service="s", at=AT)
    assert added.keys() == {"authorization", "x-amz-date", "x-amz-security-token"}
    assert added["x-amz-date"] == "20261120T123059Z"


ENVIRONMENT = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-secret"}


def bedrock(environment: dict[str, str]) -> AwsSigner:
    providers = load().configured(environment).providers
    signer = EnvironmentCredentials(providers, environment).for_provider("bedrock")
    assert isinstance(signer, AwsSigner)
    return signer


async def test_keys_of_the_environment_sign():
    """Region, keys and session token of the environment are in the signature, and among the secrets."""
    signer = bedrock({**ENVIRONMENT, "AWS_SESSION_TOKEN": "canary-session"})
    added = await signer.authorize("POST", "https://h/model/m/converse", {}, b"{}")
    assert "Credential=AKIDEXAMPLE/" in added["authorization"]
    assert "/eu-west-1/bedrock/aws4_request" in added["authorization"]
    assert added["x-amz-security-token"] == "canary-session"
    assert {"AKIDEXAMPLE", "canary-secret", "canary-session"} <= set(signer.secrets)
    assert "canary" not in repr([signer, FixedKeys(KEYS), KEYS])


async def test_a_bearer_key_wins():
    """AWS_BEARER_TOKEN_BEDROCK replaces the signature, as in AWS's own tools."""
    environment = {**ENVIRONMENT, "AWS_BEARER_TOKEN_BEDROCK": "canary"}
    authorizer = EnvironmentCredentials(load().configured(environment).providers, environment).for_provider("bedrock")
    assert await authorizer.authorize("POST", "https://h/", {}, b"") == {"authorization": "Bearer canary"}


async def test_a_profile_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without keys in the environment the shared files are read, by the name of the profile."""
    shared = tmp_path / "credentials"
    shared.write_text("[work]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = canary-profile\n")
    environment = {"AWS_REGION": "eu-west-1", "AWS_PROFILE": "work", "AWS_SHARED_CREDENTIALS_FILE": str(shared)}
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    signer = bedrock(environment)
    held = signer.secrets
    scope = signer.scope
    added = await signer.authorize("POST", "https://h/", {}, b"")
    assert "Credential=AKIDPROFILE/" in added["authorization"]
    assert "canary-profile" in held
    assert signer.scope == scope


async def test_a_broken_chain_is_the_operators_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A profile that does not exist says so, and is asked for again by the next call."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for _ in range(2):
        with pytest.raises(UpstreamError, match=r"chain failed \(ProfileNotFound\)") as error:
            await ChainKeys("nobody").keys()
        assert error.value.kind is Kind.CREDENTIAL


async def test_the_chain_is_asked_once_a_minute(monkeypatch: pytest.MonkeyPatch):
    """Refreshing is the library's business; it is asked now and then, not for every request."""
    now, asked = [0.0], []
    chain = ChainKeys(None, clock=lambda: now[0])
    monkeypatch.setattr(chain, "_ask_library", lambda: asked.append(1) or KEYS)
    for now[0] in (0.0, 1.0, 59.0, 60.0, 61.0):
        assert await chain.keys() == KEYS
    assert len(asked) == 2
