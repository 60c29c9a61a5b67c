"""The deployment's environment variables: what may be set (reference §4.11), and the values read without a transaction.

Values may be secrets: no text of an error here, or anywhere, holds one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from reactor.database.database import Database
from reactor.database.transaction import Transaction
from reactor.database.variable import BUILT_IN, VariableChange, is_variable_name
from reactor.errors import EnvironmentRefused, StorageError
from reactor.limits import Limits, setting
from reactor.storage.storage import VariableRow


def update_variables(transaction: Transaction, changes: Iterable[VariableChange], limits: Limits) -> list[str]:
    """Make all changes or none; gives the names that changed. Raises EnvironmentRefused."""
    changes = list(changes)
    names = [change.name for change in changes]
    for change in changes:
        _check(change, limits)
    if len(set(names)) != len(names):
        raise EnvironmentRefused("EnvVarNameNotUnique", "One or more environment variable name is not unique.")
    changed = [change.name for change in changes if transaction.set_variable(change.name, change.value)]
    _check_all(transaction.variables(), limits)
    return changed


def stored_variables(database: Path) -> dict[str, VariableRow]:
    """The variables of a database that this process does not have open; none when there is no database yet."""
    if not database.exists():
        return {}
    try:
        reader = Database.open_reader(database)
    except StorageError:  # whoever opens it for writing says what is wrong with it
        return {}
    try:
        with reader.snapshot() as snapshot:
            return snapshot.variables()
    finally:
        reader.close()


def _check(change: VariableChange, limits: Limits) -> None:
    name, value = change
    if not is_variable_name(name):
        raise EnvironmentRefused(
            "EnvironmentVariableNameInvalid",
            f"The environment variable name {name[:80]!r} is invalid. Names begin with a letter or underscore and "
            "consist of letters, digits and underscores.",
        )
    if len(name) > limits.environment_name_length:
        raise EnvironmentRefused(
            "EnvironmentVariableNameTooLong",
            f"The environment variable name {name[:80]}… is too long ({len(name)} > maximum length "
            f"{limits.environment_name_length}). {setting('environment_name_length')}",
        )
    if name in BUILT_IN:
        raise EnvironmentRefused(
            "EnvVarNameForbidden", f'Environment variable with name "{name}" is built-in and cannot be overridden.'
        )
    size = 0 if value is None else len(value.encode("utf-8", "surrogatepass"))
    if size > limits.environment_value_size:
        raise EnvironmentRefused(
            "EnvironmentVariableValueTooLarge",
            f"The value of environment variable {name} is too large ({size} bytes > maximum size "
            f"{limits.environment_value_size} bytes). {setting('environment_value_size')}",
        )


def _check_all(variables: Mapping[str, VariableRow], limits: Limits) -> None:
    if len(variables) > limits.environment_variables:
        raise EnvironmentRefused(
            "EnvVarLimitMet",
            f"The environment variable limit ({limits.environment_variables}) has been met. "
            f"{setting('environment_variables')}",
        )
    size = sum(len(name) + len(row.value.encode("utf-8", "surrogatepass")) for name, row in variables.items())
    if size > limits.environment_size:
        raise EnvironmentRefused(
            "EnvVarTotalSizeLimitMet",
            f"All environment variables together are too large ({size} bytes > maximum size "
            f"{limits.environment_size} bytes). {setting('environment_size')}",
        )
