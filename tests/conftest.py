"""Fixtures for every room go here; so far none has to be shared."""
