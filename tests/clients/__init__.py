"""The official, unmodified clients (npm `convex`, PyPI `convex`) against a real server over real sockets."""
