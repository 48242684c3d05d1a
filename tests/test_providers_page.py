"""`docs/providers.md` says what the dialects do: every cell is asked again."""

import pytest

from services.catalog.catalog import load
from tests.gateway import ROOT
from tests.matrix.asking import SILENT, Found, ask
from tests.matrix.lanes import Lane, lanes
from tests.matrix.page import page
from tests.matrix.probes import Probe
from tests.shared.test_recordings import REFUSED_BY_LIMIT

LANES = lanes()
PAGE = (ROOT / "docs" / "providers.md").read_text()


def test_the_page_is_fresh():
    """`make providers` writes it."""
    assert page() == PAGE


def test_every_format_of_every_row_is_asked():
    """A provider added or a format added to one needs a line in tests/matrix/lanes.py."""
    rows = load().providers.values()
    spoken = {(row.id, format) for row in rows for format in (row.dialect, *row.dialects.values())}
    asked = {(lane.target.provider.id, lane.target.dialect) for lane in LANES}
    assert spoken - asked == {("sandbox", "sandbox")}  # docs/sandbox.md
    assert asked <= spoken


def test_the_excused_recordings_are_named():
    """What the recordings' test excuses is on the page, and nothing else."""
    section = PAGE.partition("## Recordings that cannot pass")[2]
    named = {line.split("`")[1] for line in section.splitlines() if line.startswith("* ")}
    assert named == {id.rpartition("--")[0] for id in REFUSED_BY_LIMIT}


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_a_lane_that_would_drop_something_without_a_word_is_found_out(lane: Lane):
    """What does not reach the request and is in no loss is no feature of any provider."""
    assert ask(lane, Probe("nothing", {})) == SILENT
    assert ask(lane, Probe("words", {"input": "Hi."}, marks=("not there",))) == SILENT
    assert ask(lane, Probe("words", {"input": "mark"}, marks=("mark",))) == Found("native")
