"""The words all rooms share: a `Call` in, `Event`s out. No provider's format and no public format appears here."""
