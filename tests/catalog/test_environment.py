"""Which providers an environment configures, and with which URLs."""

from pathlib import Path

import pytest

from services.catalog.catalog import load
from services.catalog.environment import is_loopback
from services.catalog.reading import CatalogError
from services.errors import ModelNotFound

ALL = load()

ENVIRONMENTS = {
    "openai": ({"OPENAI_API_KEY": "k"}, "https://api.openai.com/v1"),
    "anthropic": ({"ANTHROPIC_API_KEY": "k"}, "https://api.anthropic.com"),
    "azure": (
        {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com/"},
        "https://r.openai.azure.com",
    ),
    "vertex": (
        {"GOOGLE_APPLICATION_CREDENTIALS": "f", "GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "us-east5"},
        "https://us-east5-aiplatform.googleapis.com",
    ),
    "gemini": ({"GEMINI_API_KEY": "k"}, "https://generativelanguage.googleapis.com"),
    "bedrock": (
        {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"},
        "https://bedrock-runtime.eu-west-1.amazonaws.com",
    ),
    "xai": ({"XAI_API_KEY": "k"}, "https://api.x.ai/v1"),
    "cohere": ({"CO_API_KEY": "k"}, "https://api.cohere.com"),
    "mistral": ({"MISTRAL_API_KEY": "k"}, "https://api.mistral.ai"),
    "cloudflare": (
        {"CLOUDFLARE_API_TOKEN": "k", "CLOUDFLARE_ACCOUNT_ID": "acc"},
        "https://api.cloudflare.com/client/v4",
    ),
    "huggingface": ({"HF_TOKEN": "k"}, "https://router.huggingface.co/v1"),
}


@pytest.fixture(autouse=True)
def no_cloud_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A machine of no cloud, wherever the tests run."""
    monkeypatch.setattr("services.catalog.environment._DMI", tmp_path)


@pytest.mark.parametrize("id", ENVIRONMENTS)
def test_a_provider_is_offered_with_its_credentials(id: str):
    """The variables people already have set configure their provider, and no other but the sandbox."""
    environment, base_url = ENVIRONMENTS[id]
    known = ALL.configured(environment)
    assert set(known.providers) == {id, "sandbox"}
    assert known.providers[id].base_url == base_url
    assert all(offer.provider in known.providers for model in known.models.values() for offer in model.offers)


@pytest.mark.parametrize("id", ENVIRONMENTS)
def test_no_provider_is_offered_with_a_variable_missing_or_empty(id: str):
    """Each variable is needed, and the error of who asks names one that is missing."""
    environment, _ = ENVIRONMENTS[id]
    for name in environment.keys() - {"GOOGLE_CLOUD_LOCATION"}:
        known = ALL.configured({**environment, name: ""})
        assert id not in known.providers
        with pytest.raises(ModelNotFound, match=f"provider `{id}` is not configured here; it needs .*[A-Z_]+"):
            known.resolve(f"{id}/x", unlisted=True)


@pytest.mark.parametrize("id", ENVIRONMENTS)
def test_a_base_url_variable_replaces_host_and_prefix(id: str):
    """`<PROVIDER>_BASE_URL` is taken as it is, a trailing slash removed, and what follows the base still follows."""
    environment, _ = ENVIRONMENTS[id]
    known = ALL.configured({**environment, f"{id.upper()}_BASE_URL": "http://127.0.0.1:9/prefix/"})
    assert known.providers[id].base_url == "http://127.0.0.1:9/prefix"
    assert known.providers[id].paths.keys() == ALL.providers[id].paths.keys()


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("azure/gpt-x", "https://r.openai.azure.com/openai/v1"),
        ("azure/claude-x", "https://r.openai.azure.com/anthropic"),
        ("vertex/gemini-x", "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google"),
        ("vertex/claude-x", "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic"),
        ("vertex/meta/x", "https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi"),
        ("gemini/gemini-x", "https://generativelanguage.googleapis.com/v1beta"),
        ("mistral/x", "https://api.mistral.ai/v1"),
        ("cloudflare/@cf/meta/x", "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1"),
        ("openai/x", "https://api.openai.com/v1"),
    ],
)
def test_what_a_dialects_path_is_appended_to(model: str, url: str):
    """The base URL of a target holds everything before the dialect's own path."""
    environment = {name: value for variables, _ in ENVIRONMENTS.values() for name, value in variables.items()}
    del environment["GOOGLE_CLOUD_LOCATION"]
    (target,) = ALL.configured(environment).resolve(model, unlisted=True)
    assert target.base_url == url


def test_headers_without_a_value_are_left_out():
    """Organisation and project go along when they are set."""
    environment = {"OPENAI_API_KEY": "k", "OPENAI_ORG_ID": "org-1"}
    assert ALL.configured(environment).providers["openai"].headers == {"OpenAI-Organization": "org-1"}


def test_a_loopback_vertex_takes_a_ready_token():
    """VERTEX_ACCESS_TOKEN counts only where the base URL is this machine."""
    environment = {"VERTEX_ACCESS_TOKEN": "t", "GOOGLE_CLOUD_PROJECT": "p"}
    assert "vertex" not in ALL.configured(environment).providers
    assert "vertex" in ALL.configured({**environment, "VERTEX_BASE_URL": "http://localhost:1/vertex"}).providers


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_BEARER_TOKEN_BEDROCK": "t"},
        {"AWS_PROFILE": "work"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "f"},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"},
    ],
)
def test_each_link_of_the_aws_chain_counts(variables: dict[str, str]):
    """A region and any link of the chain configure Bedrock."""
    assert "bedrock" in ALL.configured({"AWS_DEFAULT_REGION": "us-east-1", **variables}).providers


@pytest.mark.parametrize(
    ("file", "maker", "id"), [("sys_vendor", "Amazon EC2", "bedrock"), ("product_name", "Google", "vertex")]
)
def test_the_role_of_a_cloud_machine_counts(tmp_path: Path, file: str, maker: str, id: str):
    """On a machine of the cloud, with region or project set, its own account is the credential."""
    (tmp_path / file).write_text(f"{maker}\n")
    assert id in ALL.configured({"AWS_REGION": "us-east-1", "GOOGLE_CLOUD_PROJECT": "p"}).providers


def test_files_of_the_cloud_tools_count(tmp_path: Path):
    """The credential files that aws and gcloud write count as credentials."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[default]")
    (tmp_path / ".config/gcloud").mkdir(parents=True)
    (tmp_path / ".config/gcloud/application_default_credentials.json").write_text("{}")
    home = {"HOME": str(tmp_path), "AWS_REGION": "us-east-1", "GOOGLE_CLOUD_PROJECT": "p"}
    assert {"bedrock", "vertex"} < ALL.configured(home).providers.keys()


@pytest.mark.parametrize("url", ["http://localhost:8080/v1", "http://127.0.0.1:8080", "http://[::1]:8080/v1"])
def test_a_base_url_that_is_this_gateway_is_refused(url: str):
    """A variable that people export for their clients does not make the gateway call itself."""
    with pytest.raises(CatalogError, match="OPENAI_BASE_URL is the address of this gateway"):
        ALL.configured({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": url}, own_port=8080)
    ALL.configured({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": url}, own_port=8081)


def test_loopback_is_recognised():
    """Names and addresses of this machine, and nothing else."""
    assert all(map(is_loopback, ["http://localhost:1", "http://127.1.2.3", "http://[::1]/", "http://a.localhost"]))
    assert not any(map(is_loopback, ["https://api.openai.com", "http://localhost.example", "", "http://10.0.0.1"]))
