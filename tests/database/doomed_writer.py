"""A writer that kills itself: `python doomed_writer.py DATABASE PLACE BATCH DELAY`.

It commits batches of three calls and says each one's number once it is durable. In batch BATCH it dies by SIGKILL at
PLACE: the name of a fail point, `inside the text index`, or `inside commit`, which is DELAY seconds after COMMIT has begun.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from reactor.clock import SystemClock
from reactor.database.database import Database
from reactor.database.structure import IndexShape, TableStructure
from reactor.storage import fail_point
from reactor.values.value import Value

CALLS = 3
NOTES = TableStructure(
    "notes",
    {"by_batch": ("batch", "call")},
    searched={
        "by_text": IndexShape(("text",), "search", ("call",)),
        "by_vector": IndexShape(("vector",), "vector", ("call",), dimensions=2),
    },
)

INSIDE = {"inside the text index": "_fts", "inside the vector index": '_by_vector" (slot'}  # what SQL tells it


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(path: str, place: str, doomed: int, delay: float) -> None:
    db = Database.open_writer(path, clock=SystemClock(), boot="doomed")
    batch = db.begin()
    batch.apply_schema([NOTES])
    batch.commit()
    current = 0

    def reach(name: str) -> None:
        if current != doomed:
            return
        if place == "inside commit" and name == "before commit":
            threading.Timer(delay, die).start()
        elif name == place or (place in INSIDE and INSIDE[place] in name):
            die()

    with fail_point.installed(reach):
        while True:
            current += 1
            batch = db.begin()
            for call in range(CALLS):
                t = batch.transaction(f"call {call}")
                fields: dict[str, Value] = {
                    "batch": current,
                    "call": call,
                    "text": f"batch{current} 猫の写真 " * (3000 if current == doomed else 2),
                    "vector": [float(current), float(call)],
                }
                t.insert("notes", fields)
                t.record_request("session", current * CALLS + call, b"", b"")
                t.release()
                batch.record_call("doomed", current * CALLS + call, b"done")
            batch.commit()
            sys.stdout.write(f"{current}\n")
            sys.stdout.flush()
            if current == doomed and place == "after answering":
                die()
            if current % 3 == 0:
                db.checkpoint()
            if current > doomed:
                time.sleep(60)  # the timer of `inside commit` is still to strike


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
