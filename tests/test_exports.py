"""The public names are few, listed, and importing them starts nothing."""

from __future__ import annotations

import subprocess
import sys

import reactor


def test_there_are_fewer_than_fifty_public_names() -> None:
    assert len(reactor.__all__) < 50


def test_every_listed_name_exists_and_every_public_name_is_listed() -> None:
    modules = {"auth", "definitions", "errors", "limits", "values", "clock", "footprint", "sync", "storage", "database"}
    modules |= {
        "subscriptions",
        "execution",
        "engine",
        "scheduler",
        "deploy",
        "files",
        "keeper",
        "transfer",
        "issuers",
        "application",
        "server",
        "embedding",
        "testing",
        "cli",
    }
    public = {name for name in vars(reactor) if name.isidentifier() and not name.startswith("_")} - modules
    assert public == set(reactor.__all__)


def test_the_names_of_the_design_are_there() -> None:
    expected = """Table Index SearchIndex Id Int64 Model UNSET Unset AppError Page PaginationOpts QueryCtx MutationCtx
        ActionCtx SyncActionCtx ScheduledFunction StoredFile query mutation action internal_query internal_mutation internal_action"""
    assert set(expected.split()) <= set(reactor.__all__)


def test_importing_reactor_loads_no_working_room_and_no_thread() -> None:
    script = (
        "import reactor, sys, threading\n"
        "rooms = 'storage database subscriptions execution engine scheduler deploy server cli testing embedding files keeper'.split()\n"
        "print([room for room in rooms if f'reactor.{room}' in sys.modules], threading.active_count())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] 1\n"
