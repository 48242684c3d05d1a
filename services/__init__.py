"""The gateway's rooms. Imports point one way: runtime > responses > routing > adapters > wire; see tests/test_tidy.py."""
