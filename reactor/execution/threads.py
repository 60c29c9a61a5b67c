"""Which threads an import left behind, and whether a fork survives them (engine B3).

A fork copies one thread. Whatever another was doing, and whatever lock it held, stays as it was for ever.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

# Libraries that start native threads and do not prepare for fork.
_UNSAFE = ("grpc", "jax", "onnxruntime", "polars", "pyarrow", "tensorflow", "torch")
# Libraries whose native threads are stopped before a fork and started again after it (OpenBLAS registers handlers).
_SAFE = ("numpy", "scipy")


def unsafe_threads() -> list[str]:
    """A sentence for each reason not to fork this process; empty when it can be forked."""
    own = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    sentences = [
        f"importing your code started the thread {thread.name!r} ({_origin(thread)}); "
        "functions run in freshly started processes instead of forks, which costs time at each start"
        for thread in own
    ]
    if _native_count() > len(own) + 1:
        culprits = [name for name in _UNSAFE if name in sys.modules]
        if culprits or not any(name in sys.modules for name in _SAFE):
            who = " or ".join(culprits) or "an extension module"
            sentences.append(
                f"importing {who} started native threads that do not survive a fork; "
                "functions run in freshly started processes instead, which costs time at each start"
            )
    return sentences


def _origin(thread: threading.Thread) -> str:
    target = getattr(thread, "_target", None) or type(thread)
    return f"{getattr(target, '__module__', '?')}.{getattr(target, '__qualname__', '?')}"


def _native_count() -> int:
    """Threads the kernel knows of. Where it cannot be asked, fork is not used either."""
    tasks = Path("/proc/self/task")
    return sum(1 for _ in tasks.iterdir()) if tasks.exists() else 1
