"""A runner process where forks are unsafe or absent: imports the user's code itself, then serves as a forked one does.

`python -m reactor.execution.runner_main --fd N --parent PID --role R --slot PATH --bundle HASH`. The first frame on the
socket says where the code is. Code that has changed on disk since the server loaded it is not run: a later push brings
it in whole.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import traceback
from dataclasses import replace
from pathlib import Path

from reactor.execution import determinism
from reactor.execution.environment import Noted
from reactor.execution.frames import LoadBundle
from reactor.execution.loader import load_bundle
from reactor.execution.pipe import Pipe
from reactor.execution.process import close_descriptors_except, die_with_parent
from reactor.execution.seal import Seal
from reactor.execution.serve import Post, file_place, serve
from reactor.storage.storage import VariableRow

CHANGED = 75  # EX_TEMPFAIL: the code on disk is not the bundle asked for


def main() -> None:
    """Entry of the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--role", required=True)
    parser.add_argument("--slot", type=Path, required=True)
    parser.add_argument("--bundle", required=True)
    arguments = parser.parse_args()
    die_with_parent(arguments.parent)
    os.set_inheritable(arguments.fd, False)
    close_descriptors_except({arguments.fd})
    connected = socket.socket(fileno=arguments.fd)
    determinism.install()
    status = 1
    try:
        status = _serve(connected, arguments)
    except BaseException:  # noqa: BLE001  # whatever user code raises while imported
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # not through exit handlers: threads of the user's must not hold the process


def _serve(connected: socket.socket, arguments: argparse.Namespace) -> int:
    pipe = Pipe(connected)
    load = pipe.receive()
    if load is None:
        return 0
    assert isinstance(load, LoadBundle)
    variables = {name: VariableRow(value, ts) for name, (value, ts) in load.variables.items()}
    bundle = load_bundle(Path(load.root), Noted(variables, load.built_in))
    bundle = replace(bundle, secret=load.secret, files=file_place(load), seal=Seal(load.cursor_key))
    if bundle.hash != arguments.bundle:
        print("reactor: the code on disk has changed; waiting for the push", file=sys.stderr)  # noqa: T201
        return CHANGED
    return serve(Post(pipe, arguments.role, arguments.slot), bundle, load.limits)


if __name__ == "__main__":
    main()
