"""The house rules that a machine can check. Each says why, and what to do instead."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from services.runtime import settings_page

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ROOT / "services"

LEAVES = {"vocabulary", "errors", "catalog", "ports", "errors_grpc", "errors_anthropic", "mirror"}
"""What all rooms may read: words, data and interfaces; no behaviour of the gateway."""

MAY_IMPORT: dict[str, set[str]] = {
    "vocabulary": set(),
    "errors": set(),
    "errors_grpc": {"errors"},
    "errors_anthropic": {"errors"},
    "catalog": {"vocabulary", "errors"},
    "ports": {"vocabulary", "catalog"},
    "mirror": {"vocabulary", "catalog", "errors"},
    "tokens": LEAVES,
    "wire": {"errors"},
    "storage": {"errors"},
    "store": {"storage", *LEAVES},
    "adapters": {"wire", "tokens", *LEAVES},
    "routing": {"adapters", "tokens", *LEAVES},
    "generation": {"routing", "tokens", *LEAVES},
    "surface": {"generation", "wire", *LEAVES},
    "responses": {"store", "storage", "surface", "generation", "adapters", "tokens", "wire", *LEAVES},
    "explain": {"responses", "surface", "generation", *LEAVES},
    "chat": {"responses", "surface", "generation", *LEAVES},
    "messages": {"surface", "generation", "adapters", "tokens", *LEAVES},
    "models": {"billing", *LEAVES},
    "tenancy": {"storage", *LEAVES},
    "byok": {"tenancy", "storage", *LEAVES},
    "keys": {"tenancy", "byok", "storage", *LEAVES},
    "management": {"keys", "tenancy", "byok", "billing", "storage", *LEAVES},
    "billing": {"storage", "tokens", *LEAVES},
    "limits": LEAVES,
}
MAY_IMPORT["runtime"] = set(MAY_IMPORT)
"""The import law: runtime > responses > surface > generation > routing > adapters > wire, with models, keys, billing beside."""

PURE = [
    "adapters/dialects", "routing/plan.py", "billing/money.py", "billing/rates.py", "limits/buckets.py",
    "limits/standing.py", "vocabulary",
]  # fmt: skip
IMPURE = {"asyncio", "aiohttp", "httpx", "grpc", "os", "time", "random", "secrets", "socket", "uuid"}

OURS = {"services", "concentrate"}
OPTIONAL = {"routing/metrics/redis_store.py"}
"""Files that are imported only where an optional package is wanted."""

BANNED = {
    r"\b(TODO|FIXME|XXX|HACK)\b": "finish it, or file an issue",
    r"aiter_lines\(|iter_lines\(": "wire/sse.py: text methods also cut at U+2028, which may stand in JSON",
    r"(?<![\w.])print\(": "structlog, or typer.echo in a command line",
    r"logging\.getLogger": "structlog.get_logger",
    r"time\.sleep\(": "asyncio.sleep: a worker has one thread",
    r"#\s*pragma: no cover": "delete what no test can reach",
}

LINES_MAX = 350
TEST_LINES_MAX = 700  # tables of cases

SECTIONS = ("services", "proto", "bench", "tests")


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path, *, top: bool = False) -> Iterator[str]:
    """Full names of the modules (and of what is imported from them) that a file imports. `top`: as soon as it is itself."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sources("services"), ids=named)
def test_imports_go_one_way(path: Path):
    """A room reads only the rooms below it, so each can be understood, and run, without those above."""
    room = path.relative_to(SERVICES).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in MAY_IMPORT, f"a new room: give {room} its place in MAY_IMPORT and in services/README.md"
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("services.")}
    assert rooms <= MAY_IMPORT[room] | {room}


def test_what_is_pure_stays_pure():
    """Dialects, plans and prices have no I/O, clock or randomness: the same input gives the same output."""
    for path in sources("services"):
        inside = path.relative_to(SERVICES).as_posix()
        if inside.startswith(tuple(PURE)):
            assert not {name.split(".")[0] for name in imported(path)} & IMPURE, named(path)


def test_what_is_imported_at_the_top_is_in_the_lock_of_production():
    """Optional packages are imported where they are used; the development lock has them, so that nothing else would tell."""
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    homes = {
        name: {home.lower().replace("_", "-") for home in found} for name, found in packages_distributions().items()
    }
    for path in sources("services"):
        if path.relative_to(SERVICES).as_posix() not in OPTIONAL:
            names = {name.partition(".")[0] for name in imported(path, top=True)} - OURS - sys.stdlib_module_names
            assert all(homes[name] & locked for name in names), named(path)


def test_nothing_banned():
    """The pattern, and what to use instead."""
    for path in sources("services", "proto"):
        for number, line in enumerate(path.read_text().split("\n"), 1):
            for pattern, instead in BANNED.items():
                assert not re.search(pattern, line), f"{named(path)}:{number}: {instead}"


def test_only_the_runtime_reads_the_environment():
    """Rooms get values, so a test can give them others."""
    for path in sources("services"):
        if SERVICES / "runtime" not in path.parents:
            assert not re.search(r"os\.environ|os\.getenv", path.read_text()), named(path)


def test_files_stay_small():
    """A file that outgrows a few screens holds two ideas."""
    for path in sources(*SECTIONS):
        limit = TEST_LINES_MAX if path.is_relative_to(ROOT / "tests") else LINES_MAX
        assert len(path.read_text().split("\n")) <= limit, named(path)


def test_every_test_says_what_it_shows():
    """In a docstring of one sentence, or in a name of at least four words."""
    for path in sources("tests"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                words = node.name.removeprefix("test_").split("_")
                assert ast.get_docstring(node) or len(words) >= 4, f"{named(path)}: {node.name}"


def test_the_settings_page_is_fresh():
    """docs/settings.md is what the code says. If not: `make settings`."""
    assert (ROOT / "docs/settings.md").read_text() == settings_page.page()


def test_decisions_are_numbered_and_linked_to_by_number():
    """One page each, its number in its name and its title, never used twice."""
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(numbers) == len(set(numbers))
    for page, number in zip(pages, numbers, strict=True):
        assert page.read_text().startswith(f"# {number}: "), page.name
