"""What every provider can be asked and what of its answers is read: found by asking its dialect, printed as a page.

python -m tests.matrix > docs/providers.md
"""
