#!/usr/bin/env python3
"""Checks `proto/` and writes `gen/` from it: `python proto/generate.py`, from anywhere.

gen/concentrate/**      Python messages, their types (.pyi) and gRPC stubs
gen/concentrate.pb      descriptors of everything, imports included, for Envoy
gen/openapi.json        the HTTP API (openapi.py)

With `--against REF` it also fails if a client made from the protos of that git revision would break. Needs no network:
google/api comes with the Python package googleapis-common-protos, and buf reads the image that protoc made.
"""

import argparse
import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import grpc_tools
from google.api import annotations_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the structs the OpenAPI document is made from

import openapi  # noqa: E402

PROTO = ROOT / "proto"
GEN = ROOT / "gen"
SCRIPTS = Path(sysconfig.get_path("scripts"))
INCLUDES = (
    Path(annotations_pb2.__file__).parent.parent.parent,  # google/api
    Path(grpc_tools.__file__).parent / "_proto",  # google/protobuf
)


def compile_protos(proto: Path, options: Sequence[str], pattern: str = "*.proto") -> None:
    """Runs protoc over the files below `proto` whose names match."""
    files = sorted(str(path.relative_to(proto)) for path in proto.rglob(pattern))
    includes = [f"-I{path}" for path in (proto, *INCLUDES)]
    if protoc.main(["protoc", *includes, *options, *files]) != 0:
        raise SystemExit("protoc failed")


def image(proto: Path, out: Path) -> Path:
    """An image with comments, which is what buf wants to check."""
    compile_protos(proto, ["--include_imports", "--include_source_info", f"--descriptor_set_out={out}"])
    return out


def buf(*arguments: str | Path) -> None:
    """Runs buf; what it finds is printed, and ends the program."""
    if subprocess.run([SCRIPTS / "buf", *arguments], check=False).returncode != 0:  # noqa: S603
        raise SystemExit(f"buf {arguments[0]} failed")


def check(against: str | None = None) -> None:
    """Format, lint, and with `against` also compatibility."""
    rules: list[str | Path] = ["--config", PROTO / "buf.yaml", "--path", "concentrate"]
    with tempfile.TemporaryDirectory() as folder:
        now = image(PROTO, Path(folder, "now.binpb"))
        buf("format", PROTO, "--diff", "--exit-code")
        buf("lint", now, *rules)
        if against is not None:
            archive = subprocess.run(  # noqa: S603
                ["git", "-C", ROOT, "archive", against, "proto"],  # noqa: S607
                check=True,
                capture_output=True,
            ).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(folder, filter="data")
            then = image(Path(folder, "proto"), Path(folder, "then.binpb"))
            buf("breaking", now, "--against", then, *rules)


def generate(out: Path) -> None:
    """Writes everything into the empty or missing folder `out`. The same protos give the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    compile_protos(
        PROTO,
        [
            f"--python_out={out}",
            f"--plugin=protoc-gen-mypy={SCRIPTS / 'protoc-gen-mypy'}",
            f"--mypy_out=quiet:{out}",
            "--include_imports",
            f"--descriptor_set_out={out / 'concentrate.pb'}",
        ],
    )
    compile_protos(
        PROTO,
        [
            f"--grpc_python_out={out}",
            f"--plugin=protoc-gen-mypy_grpc={SCRIPTS / 'protoc-gen-mypy_grpc'}",
            f"--mypy_grpc_out=quiet:{out}",
        ],
        "*_service.proto",
    )
    with tempfile.TemporaryDirectory() as folder:
        commented = image(PROTO, Path(folder, "commented.binpb")).read_bytes()
    (out / "openapi.json").write_bytes(openapi.document(commented))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="REF", help="fail on changes that break clients of this git revision")
    parser.add_argument("--check", action="store_true", help="only check, write nothing")
    parser.add_argument("--image", metavar="FILE", type=Path, help="write an image of the protos, for other generators")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="write there instead of gen/, and check nothing")
    arguments = parser.parse_args()
    if arguments.image is not None:
        image(PROTO, arguments.image)
        return
    if arguments.out is not None:
        generate(arguments.out)
        return
    check(arguments.against)
    if arguments.check:
        return
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder, "gen"))
        shutil.rmtree(GEN, ignore_errors=True)
        shutil.copytree(Path(folder, "gen"), GEN)


if __name__ == "__main__":
    main()
