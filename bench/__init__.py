"""Measurements. Nothing here runs in the product or in its tests."""
