"""`gen/` is what `proto/` says, and `proto/` says what the code does."""

import subprocess
import sys
from pathlib import Path

import pytest
from concentrate.errors.v1 import error_reason_pb2

from services import errors

ROOT = Path(__file__).resolve().parents[2]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_generated_code_is_fresh(tmp_path):
    """Generating again gives exactly the committed files; if not, run `make proto`."""
    subprocess.run([sys.executable, ROOT / "proto/generate.py", "--out", tmp_path], check=True)
    fresh, committed = files(tmp_path), files(ROOT / "gen")
    assert sorted(fresh) == sorted(committed)
    assert [name for name in fresh if fresh[name] != committed[name]] == []


def test_protos_are_formatted_and_pass_the_linter():
    """buf finds nothing with STANDARD and COMMENTS."""
    subprocess.run([sys.executable, ROOT / "proto/generate.py", "--check"], check=True)


def error_classes() -> list[type[errors.GatewayError]]:
    return [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.GatewayError)
    ]


def test_error_reasons_are_those_of_the_error_tree():
    """Every error has its reason in the enum, and the enum has no other."""
    reasons = {error.reason for error in error_classes()}
    own = [error for error in error_classes() if error is not errors.GatewayError]
    assert len(reasons) == len(own), "another process knows an error by its reason"
    assert reasons | {"ERROR_REASON_UNSPECIFIED"} == set(error_reason_pb2.ErrorReason.keys())


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_each_reason_documents_its_statuses(error):
    """The comment of a reason names the HTTP status and the gRPC code its error has."""
    source = (ROOT / "proto/concentrate/errors/v1/error_reason.proto").read_text()
    comment = source.partition(f"  {error.reason} = ")[0].rpartition("  // ")[2]
    assert f"HTTP {error.http}, {error.grpc.name}." in comment
