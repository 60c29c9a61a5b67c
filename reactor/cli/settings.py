"""ProjectSettings: what `[tool.reactor]` in the project's pyproject.toml says, checked with a sentence for each mistake."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reactor.errors import DefinitionError
from reactor.files.bucket import BucketSettings
from reactor.limits import DEFAULT_LIMITS, Limits

FILE_NAME = "pyproject.toml"
WIRE_NAMES = ("camelCase", "as_written")  # the loader in the process that imports the project applies it


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """Settings of one project; a project without the file or the table has the defaults."""

    wire_names: str = "camelCase"
    limits: Limits = DEFAULT_LIMITS
    private_hosts: tuple[str, ...] = ()  # hosts of private networks that `reactor serve` may fetch from
    files: BucketSettings | None = None  # where files are kept; None: in the data folder

    @classmethod
    def read(cls, root: Path) -> ProjectSettings:
        """Raises DefinitionError for a file that is no TOML, a setting nobody knows, a value that cannot be."""
        try:
            tree = tomllib.loads((root / FILE_NAME).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DefinitionError(f"{FILE_NAME} cannot be read: {error}") from None
        tool = tree.get("tool", {})
        return cls.of(tool.get("reactor", {}) if isinstance(tool, dict) else {})

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> ProjectSettings:
        """The settings of a parsed `[tool.reactor]`."""
        _refuse_unknown("tool.reactor", table, (field.name for field in dataclasses.fields(cls)))
        wire_names = table.get("wire_names", cls().wire_names)
        if wire_names not in WIRE_NAMES:
            allowed = " or ".join(f'"{name}"' for name in WIRE_NAMES)
            raise DefinitionError(f"{FILE_NAME}: `tool.reactor.wire_names` must be {allowed}, not {wire_names!r}.")
        hosts = table.get("private_hosts", [])
        if not isinstance(hosts, list) or not all(isinstance(host, str) and host for host in hosts):
            raise DefinitionError(f"{FILE_NAME}: `tool.reactor.private_hosts` must be a list of hosts, not {hosts!r}.")
        return cls(
            wire_names=wire_names,
            limits=_limits(table.get("limits", {})),
            private_hosts=tuple(hosts),
            files=_files(table.get("files", {})),
        )

    def files_at(self, url: str | None) -> BucketSettings | None:
        """Where files are kept when the operator says so: in the bucket of a URL, or with `local` in the data folder."""
        if url is None:
            return self.files
        if url == "local":
            return None
        named = self.files or BucketSettings("")
        return BucketSettings.of_url(url, named.endpoint, named.region)


def _files(table: Any) -> BucketSettings | None:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise DefinitionError(f"{FILE_NAME}: `tool.reactor.files` must be a table of strings, not {table!r}.")
    _refuse_unknown("tool.reactor.files", table, ("url", "endpoint", "region"))
    if not table:
        return None
    if "url" not in table:
        raise DefinitionError(f'{FILE_NAME}: `tool.reactor.files` needs a bucket: url = "s3://bucket/prefix".')
    return BucketSettings.of_url(table["url"], table.get("endpoint"), table.get("region"))


def _limits(table: Any) -> Limits:
    if not isinstance(table, dict):
        raise DefinitionError(f"{FILE_NAME}: `tool.reactor.limits` must be a table, not {table!r}.")
    kinds = {field.name: type(getattr(DEFAULT_LIMITS, field.name)) for field in dataclasses.fields(Limits)}
    _refuse_unknown("tool.reactor.limits", table, kinds)
    given: dict[str, Any] = {name: _limit(name, value, kinds[name]) for name, value in table.items()}
    return dataclasses.replace(DEFAULT_LIMITS, **given)


def _limit(name: str, value: Any, kind: type) -> int | float:
    """An int limit takes ints, a float one any number; all are above zero."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        if kind is float:
            return float(value)
        if isinstance(value, int):
            return value
    wanted = "a number" if kind is float else "a whole number"
    raise DefinitionError(f"{FILE_NAME}: `tool.reactor.limits.{name}` must be {wanted} above zero, not {value!r}.")


def _refuse_unknown(where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    known = list(known)
    for name in table:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean `{close[0]}`?" if close else f" Known are: {', '.join(sorted(known))}."
            raise DefinitionError(f"{FILE_NAME}: `{where}` has no setting `{name}`.{hint}")
