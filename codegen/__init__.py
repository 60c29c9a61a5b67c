"""Manifest in, typed client source out."""
