"""Clients generated from the protos, in Go and TypeScript, call the gateway through Envoy's port."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import ROOT, Gateway

HERE = Path(__file__).parent
BUF = Path(sys.executable).parent / "buf"
TEXT = "Good morning, world"
OFFLINE = {"GOPROXY": "off", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}

pytestmark = pytest.mark.timeout(400)  # the first build of a client compiles all of its libraries


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """The output of a program, which must succeed."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def generate(folder: Path) -> None:
    """Generates the client whose template is in the folder."""
    run(sys.executable, ROOT / "proto/generate.py", "--image", "image.binpb", folder=folder)
    run(BUF, "generate", "image.binpb", "--path", "concentrate/responses", folder=folder)


def go_build(folder: Path, *packages: str) -> None:
    """Builds into `bin/`, from the module cache alone."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    modules = subprocess.run(
        ["go", "list", "-deps", *packages],
        cwd=folder,
        env={**os.environ, **OFFLINE},
        capture_output=True,
        text=True,
        check=False,
    )
    if modules.returncode != 0:
        pytest.skip(f"Go or its modules are not there, run `make clients` once: {modules.stderr.strip()[:200]}")
    (folder / "bin").mkdir(exist_ok=True)
    run("go", "build", "-o", "bin", *packages, folder=folder, **OFFLINE)


def check(saw: dict[str, Any]) -> None:
    """What every client must have seen."""
    assert (saw["text"], saw["model"], saw["final"]) == (TEXT, "sandbox/echo", TEXT)
    assert (len(saw["deltas"]) > 1, "".join(saw["deltas"]), saw["code"]) == (True, TEXT, "NotFound")


def test_a_generated_go_client(gateway: Gateway, tmp_path: Path):
    """Unary, stream, and an error whose details decode to our reason."""
    folder = shutil.copytree(HERE / "go", tmp_path / "go")
    go_build(folder, "google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc")
    generate(folder)
    go_build(folder, ".")
    saw = json.loads(run(folder / "bin/client", f"127.0.0.1:{gateway.port}", gateway.key, folder=folder))
    check(saw)
    assert saw["reason"] == "MODEL_NOT_FOUND"


def test_a_generated_typescript_client(gateway: Gateway, tmp_path: Path):
    """Type-checked against the generated code; unary, stream and error over gRPC and over gRPC-Web."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    if not (HERE / "ts/node_modules").is_dir():
        pytest.skip("the npm packages are not there, run `make clients` once")
    folder = shutil.copytree(HERE / "ts", tmp_path / "ts", symlinks=True)
    generate(folder)
    run("node", "node_modules/typescript/bin/tsc", folder=folder)
    saw = json.loads(run("node", "build/src/main.js", gateway.url, gateway.key, folder=folder))
    check(saw["grpc"])
    check(saw["web"])


def grpcurl(folder: Path) -> str:
    """The program: the one on the path, or one built from the module cache."""
    found = shutil.which("grpcurl")
    if found is None:
        shutil.copytree(HERE / "grpcurl", folder, dirs_exist_ok=True)
        go_build(folder, "github.com/fullstorydev/grpcurl/cmd/grpcurl")
        found = str(folder / "bin/grpcurl")
    return found


def test_grpcurl(gateway: Gateway, tmp_path: Path):
    """Without any proto file: reflection lists the services, and describes what is asked and answered."""
    program, address = grpcurl(tmp_path), f"127.0.0.1:{gateway.port}"
    services = run(program, "-plaintext", address, "list", folder=tmp_path).split()
    assert {"concentrate.responses.v1.ResponsesService", "concentrate.models.v1.ModelsService"} <= set(services)
    ask = ("-plaintext", "-H", f"authorization: Bearer {gateway.key}", "-d")
    body = json.dumps({"model": "sandbox/echo", "input_text": TEXT})
    method = "concentrate.responses.v1.ResponsesService"
    whole = json.loads(run(program, *ask, body, address, f"{method}/CreateResponse", folder=tmp_path))
    (part,) = whole["output"][0]["message"]["content"]
    assert next(iter(part.values())) == {"text": TEXT}  # versions differ in output_text or outputText
    streamed = run(program, *ask, body, address, f"{method}/StreamResponse", folder=tmp_path).lower().replace("_", "")
    assert '"responsecreated"' in streamed
    assert '"responsecompleted"' in streamed


@pytest.mark.parametrize("protocol", ["grpc", "grpcweb"])
def test_buf_curl(gateway: Gateway, tmp_path: Path, protocol: str):
    """buf, which is always there, makes both calls over gRPC and gRPC-Web."""
    command = (BUF, "curl", "--protocol", protocol, "-H", f"authorization: Bearer {gateway.key}", "-d")
    command += (json.dumps({"model": "sandbox/echo", "input_text": TEXT}),)
    if protocol == "grpc":
        command += ("--http2-prior-knowledge",)
    else:
        command += ("--schema", "image.binpb")  # reflection is a bidirectional stream, which HTTP/1.1 cannot carry
        run(sys.executable, ROOT / "proto/generate.py", "--image", "image.binpb", folder=tmp_path)
    service = f"{gateway.url}/concentrate.responses.v1.ResponsesService"
    whole = json.loads(run(*command, f"{service}/CreateResponse", folder=tmp_path))
    assert whole["output"][0]["message"]["content"][0]["outputText"]["text"] == TEXT
    streamed = run(*command, f"{service}/StreamResponse", folder=tmp_path)
    assert streamed.count('"sequenceNumber"') >= 5
    assert '"responseCompleted"' in streamed
