"""Who must hear of it: which query results are watched, what a commit makes stale, and what has to run again.

The room follows the write log and knows nothing of how code runs, of sockets or of the wire. Everything here is
synchronous and deterministic: the application calls it on the event loop, tests call it as it is.
"""
