"""Prints `docs/providers.md`."""

import sys

from tests.matrix.page import page

sys.stdout.write(page())
