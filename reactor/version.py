"""Which reactor this is. The wheel's metadata says the same, but takes 8 ms to read."""

VERSION = "0.1.0"
