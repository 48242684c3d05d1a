"""Renders what was found as `docs/providers.md`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from services.adapters.registry import dialect
from tests.matrix import answers
from tests.matrix.asking import SILENT, Found, ask, request
from tests.matrix.lanes import Lane, lanes
from tests.matrix.probes import SECTIONS, Probe

PAGE: Final = """\
# Providers

What each provider is asked, and what of its answers reaches the client. Every cell was found by asking the code itself:
`make providers` gives each dialect one request per feature (`tests/matrix/probes.py`) and one answer that tells all its format
can tell (`tests/matrix/answers.py`). A test holds this page to it, and fails when a feature is lost without a word.

* **native**: the provider is asked for it, as the client said it.
* **emulated**, **moved**, **changed**, **dropped**: done in another way, said at another place, asked for in another measure, or
  left out. The response reports it in `translation_losses`, in the words below the tables.
* **refused**: status 400 by the parameter's name, before any provider is asked, because without it the answer would be to
  another question.

A row is a wire format of a provider, asked with one model that can do much; others of its models may do less, and are then
refused or reported in the same way. On the native lane (format `openai_responses`) a Responses body travels as it came, but
for documented edits, so fields and tools nobody here knows pass too; what the provider makes of them is its own business.

{lanes}

{sections}

## What answers tell

`reasoning`: where its text is found. `goes back`: how the reasoning of an answer reaches the same model in the next request:
sealed (byte for byte, with its signature), as text, or not at all, which is reported. `refused`, `filtered`, `cut by its limit`:
a refusal part, or why the response is incomplete.

{answers}

Tokens and services an answer is billed by, as far as the format counts them; all others count as fresh input or output.

{usage}

## Recordings that cannot pass

The project is checked with recorded traffic of real providers (`tests/shared/`). Of what could be sent again in this API, these
do not give the recorded answer:

* `vertex--generate--test-generate-content-invalid-temperature`: it asks for a temperature above 2 to see Google refuse it. The
  gateway refuses first, by the documented range of `temperature` (0 to 2).
"""


def page() -> str:
    """The whole page."""
    asked = lanes()
    return PAGE.format(
        lanes=_table(
            "asked as", ("provider", "format", "path", "model"), {lane.name: _described(lane) for lane in asked}
        ),
        sections="\n\n".join(_section(name, probes, asked) for name, probes in SECTIONS.items()),
        answers=_table("", answers.COLUMNS, {lane.name: answers.told(lane).values() for lane in asked}),
        usage=_table("", answers.CLASSES, {lane.name: answers.counted(lane).values() for lane in asked}),
    )


def _described(lane: Lane) -> Iterable[str]:
    target = lane.target
    path = request(lane, {})[1].path.replace(quote(target.upstream), "{model}")
    return target.provider.name, f"`{dialect(target.dialect).name}`", f"`{path}`", f"`{target.model}`"


def _section(name: str, probes: Sequence[Probe], asked: Sequence[Lane]) -> str:
    found = {lane.name: [ask(lane, probe) for probe in probes] for lane in asked}
    silent = [
        f"{probes[at].name} at {lane}" for lane, row in found.items() for at, cell in enumerate(row) if cell == SILENT
    ]
    if silent:
        raise AssertionError(f"lost in silence: {'; '.join(silent)}")
    cells = {lane: [cell.state for cell in row] for lane, row in found.items()}
    return f"## {name}\n\n{_table('', [probe.name for probe in probes], cells)}\n\n{_words(probes, found)}".rstrip()


def _words(probes: Sequence[Probe], found: Mapping[str, Sequence[Found]]) -> str:
    """What is not native in the gateway's own words, said once for all lanes that say the same."""
    said: dict[tuple[str, str, str], list[str]] = {}
    for at, probe in enumerate(probes):
        for lane, row in found.items():
            if row[at].words:
                said.setdefault((probe.name, row[at].state, row[at].words), []).append(lane)
    return "\n".join(f"* {name}, {state} ({', '.join(at)}): {words}" for (name, state, words), at in said.items())


def _table(corner: str, columns: Iterable[str], rows: Mapping[str, Iterable[str]]) -> str:
    head = ["", *columns]
    head[0] = corner
    lines = [_row(head), _row("---" for _ in head), *(_row([f"**{name}**", *cells]) for name, cells in rows.items())]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")
