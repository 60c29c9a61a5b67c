"""Crons of a bundle, as rows of `_crons`: written by the push commit, moved on by the commit that starts a run.

A run is a job like any other, in a table of its own: it is started, carried out and told of by the same code, and user
code that lists what it has scheduled does not meet it. Of each cron the newest run is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

from reactor.database.transaction import Transaction
from reactor.definitions.cron import Cron, Crons
from reactor.definitions.cron_schedule import schedule_of
from reactor.definitions.manifest import CronManifest
from reactor.errors import ArgumentValidationError, DefinitionError, FunctionNotFound
from reactor.execution.registry import FunctionRegistry, wire_path
from reactor.execution.scheduling import CRON_RUNS, is_under_way, state_of
from reactor.values.value import Value

CRONS = "_crons"


def crons_of(modules: Mapping[str, ModuleType], functions: FunctionRegistry) -> tuple[CronManifest, ...]:
    """The crons that functions/crons.py declares, by name. Raises DefinitionError."""
    for name, module in modules.items():
        found = [key for key, value in vars(module).items() if isinstance(value, Crons)]
        if name != "crons" and found and not _is_imported(module, modules.get("crons"), found):
            raise DefinitionError(f"functions/{name.replace('.', '/')}.py: crons are declared in functions/crons.py.")
        if name == "crons" and found != ["crons"]:
            raise DefinitionError("functions/crons.py: write `crons = Crons()`, once, and declare the crons on it.")
    declared = getattr(modules.get("crons"), "crons", None)
    if declared is None:
        return ()
    return tuple(_manifest(declared.jobs[name], functions) for name in sorted(declared.jobs))


def _is_imported(module: ModuleType, home: ModuleType | None, names: list[str]) -> bool:
    return home is not None and all(vars(module)[name] is vars(home).get("crons") for name in names)


def _manifest(cron: Cron, functions: FunctionRegistry) -> CronManifest:
    try:
        definition = functions.of(cron.function)
        if definition.kind == "query":
            raise DefinitionError(
                f'The cron "{cron.name}" calls {definition.path}, a query: use a mutation or an action.'
            )
        args = definition.encode_args(cron.args, cron.kwargs)
        definition.bind(args)
    except (ArgumentValidationError, FunctionNotFound) as error:
        raise DefinitionError(f'The cron "{cron.name}": {error}') from None
    return CronManifest(cron.name, wire_path(definition), args, cron.schedule.wire)


def write_crons(transaction: Transaction, crons: Collection[CronManifest], now_ms: float) -> None:
    """Make the rows what the bundle declares. A cron whose schedule is as it was keeps its next time (reference §4.8)."""
    rows = {str(row.fields()["name"]): row for row in transaction.scan(CRONS)}
    for cron in crons:
        declared: dict[str, Value] = {
            "name": cron.name,
            "path": cron.path,
            "args": [cron.args],
            "schedule": cron.schedule,
        }
        row = rows.pop(cron.name, None)
        if row is None:
            transaction.insert(CRONS, {**declared, "next": schedule_of(cron.schedule).first(now_ms)})
            continue
        before: dict[str, Any] = row.fields()
        if before["schedule"] != cron.schedule:
            declared["next"] = schedule_of(cron.schedule).first(now_ms)
        transaction.replace(row.id, {**before, **declared})
    for row in rows.values():
        _forget_run(transaction, row.fields())
        transaction.delete(row.id)


def start_crons(transaction: Transaction, now_ms: float) -> int:
    """Write a run of every cron that is due, and when it is due again. How many rows changed.

    What was missed is one run, and no run begins before the one before it has ended.
    """
    changed = 0
    for row in transaction.scan(CRONS):
        fields: dict[str, Any] = row.fields()
        schedule, due = schedule_of(fields["schedule"]), float(fields["next"])
        if due > now_ms:
            next_due = schedule.corrected(due, now_ms)
        else:
            next_due = schedule.after(due, now_ms)
            if not _is_running(transaction, fields):
                _forget_run(transaction, fields)
                fields["run"] = _write_run(transaction, fields, due)
        if next_due != due:
            transaction.replace(row.id, {**fields, "next": next_due})
            changed += 1
    return changed


def _write_run(transaction: Transaction, cron: dict[str, Any], due: float) -> str:
    run: dict[str, Value] = {
        "name": cron["path"],
        "args": cron["args"],
        "scheduledTime": due,
        "state": {"kind": "pending"},
        "cron": cron["name"],
    }
    return transaction.insert(CRON_RUNS, run).id


def _is_running(transaction: Transaction, cron: dict[str, Any]) -> bool:
    run = transaction.get(cron["run"]) if "run" in cron else None
    return run is not None and is_under_way(run.fields())


def _forget_run(transaction: Transaction, cron: dict[str, Any]) -> None:
    """The newest run goes, unless it is on its way: that one is left to end, and to time."""
    run = transaction.get(cron["run"]) if "run" in cron else None
    if run is not None and state_of(run.fields()) != "inProgress":
        transaction.delete(run.id)
