"""What a person reads."""

from __future__ import annotations

import io
import logging
import time
from pathlib import Path

from reactor.cli.ink import Ink
from reactor.cli.terminal import Terminal
from reactor.definitions.manifest import Manifest, TableManifest
from reactor.deploy.deployer import Pushed, Refused
from reactor.deploy.plan import DeployPlan
from reactor.errors import BundleBroken, SchemaViolation
from reactor.values.validator import ObjectV

ROOT = Path("/project")
USERS = Manifest(tables=(TableManifest("users", ObjectV((), table="users")),))


class Reader:
    """Of a file that is no terminal."""

    def __init__(self) -> None:
        self.file = io.StringIO()
        self.terminal = Terminal(ROOT, Ink(self.file))

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.file.getvalue().splitlines()]


def test_a_push_names_files_time_and_changes() -> None:
    reader = Reader()
    changed = frozenset({ROOT / "functions" / "users.py", ROOT / "schema.py"})
    reader.terminal.report(Pushed(changed, DeployPlan.first(USERS), ("api.d.ts",), 0.0841))
    assert reader.lines == [
        "✓ functions/users.py, schema.py (84 ms)",
        "  + table users",
        "  wrote functions/_generated: api.d.ts",
    ]


def test_broken_code_is_shown_as_it_is_brackets_and_all() -> None:
    reader = Reader()
    traceback = (
        'Traceback:\n  File "a.py"\n    x = [bold]["a rather long line that must not be wrapped by anyone"]\nKeyError\n'
    )
    reader.terminal.report(Refused(frozenset({ROOT / "a.py"}), BundleBroken(traceback)))
    assert reader.lines == [*traceback.splitlines(), "✗ a.py: not live. What ran before runs on."]


def test_other_errors_are_a_sentence() -> None:
    reader = Reader()
    reader.terminal.failed(SchemaViolation("users [abc] lacks `name`"))
    assert reader.lines == ["error: users [abc] lacks `name`"]


def test_the_first_load_counts_in_good_english() -> None:
    reader = Reader()
    reader.terminal.loaded(USERS, 1.5)
    assert reader.lines == ["✓ 1 table, 0 functions (1500 ms)"]


def test_log_records_are_shown_with_their_fields_from_a_level_up() -> None:
    reader = Reader()
    reader.terminal.log_from("reactor.test", logging.WARNING)
    logging.getLogger("reactor.test").info("not shown")
    logging.getLogger("reactor.test.inner").warning("writer died", extra={"status": -9})
    (line,) = reader.lines
    assert line.endswith("WARNING  writer died status=-9")


def test_a_record_of_any_length_is_shown_at_once_and_on_one_line() -> None:
    """It is shown on the server's event loop: looking for places to break a long word would stop everybody."""
    reader = Reader()
    reader.terminal.log_from("reactor.test", logging.INFO)
    began = time.perf_counter()
    for _ in range(20):
        logging.getLogger("reactor.test").info("x" * 32_768)
    assert time.perf_counter() - began < 1.0
    assert len(reader.lines) == 20
    assert all(line.endswith("x" * 32_768) for line in reader.lines)


def test_a_record_that_cannot_be_spelt_is_no_error_of_the_server() -> None:
    reader = Reader()
    reader.terminal.log_from("reactor.test", logging.INFO)
    logging.getLogger("reactor.test").info("[red]%s[/nothing]", "[bold]")
    (line,) = reader.lines
    assert line.endswith("[red][bold][/nothing]")
