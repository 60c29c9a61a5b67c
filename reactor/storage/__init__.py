"""What is on disk: documents, index rows, the log of commits, and what must not be done twice.

The port is `storage.py`; `sqlite.py` is the implementation every project starts with. This room stores bytes and scans
ranges; it knows no schema, no user and no function, and it never decides when a batch begins or ends.
"""
