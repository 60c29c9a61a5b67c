"""The names user code needs."""
