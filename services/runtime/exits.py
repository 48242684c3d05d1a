"""How a worker ends, as far as the supervisor understands it."""

from typing import Final

EXIT_CONFIGURATION: Final = 78
"""EX_CONFIG of sysexits.h: the configuration cannot be used, so starting again would not help."""
