"""What a runner does once it exists, forked or spawned: serve its role on its socket until told to stop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from reactor.execution.action import ActionRunner
from reactor.execution.examiner import Examiner
from reactor.execution.frames import LoadBundle, Role
from reactor.execution.pipe import Pipe
from reactor.execution.process import limit_memory, reseed
from reactor.execution.reader import Reader
from reactor.execution.slot import Slot
from reactor.execution.writer import Writer
from reactor.files.place import FilePlace
from reactor.files.upload_token import UploadKey
from reactor.limits import Limits

if TYPE_CHECKING:
    from reactor.execution.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Post:
    """Where a runner works: its pipe, its role, its slot."""

    pipe: Pipe
    role: Role
    slot: Path


def file_place(load: LoadBundle) -> FilePlace:
    """Where functions of this bundle find and put files."""
    return FilePlace(Path(load.files), UploadKey(load.upload_key))


def serve(post: Post, bundle: Bundle, limits: Limits) -> int:
    """Work until the server says Drain or is gone. Returns the exit status of the process."""
    reseed()
    limit_memory(limits.runner_memory)
    slot = Slot(post.slot)
    match post.role:
        case "writer":
            return Writer(post.pipe, slot, bundle, limits).run()
        case "reader":
            return Reader(post.pipe, slot, bundle, limits).run()
        case "examiner":
            return Examiner(post.pipe, bundle, limits).run()
        case "action" | "shared":
            return ActionRunner(post.pipe, slot, bundle, limits, shared=post.role == "shared").run()
        case _:
            assert_never(post.role)
