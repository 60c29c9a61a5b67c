"""ProjectSettings: what `[tool.reactor]` in the project's pyproject.toml says, checked with a sentence for each mistake."""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from reactor.errors import DefinitionError
from reactor.files.bucket import BucketSettings
from reactor.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from codegen import Outputs

FILE_NAME = "pyproject.toml"
_OF_THE_PROJECT = ("title", "version")  # said in [project]
WIRE_NAMES = ("camelCase", "as_written")  # the loader in the process that imports the project applies it


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """Settings of one project; a project without the file or the table has the defaults."""

    wire_names: str = "camelCase"
    limits: Limits = DEFAULT_LIMITS
    private_hosts: tuple[str, ...] = ()  # hosts of private networks that `reactor serve` may fetch from
    generated: str = "functions/_generated"  # the folder of the front end's types, below the project's
    include: tuple[str, ...] = ()  # patterns of further files that `reactor deploy` sends along
    files: BucketSettings | None = None  # where files are kept; None: in the data folder
    python_client: str | None = None  # where to write the typed Python client
    openapi: str | None = None  # where to write the OpenAPI description
    title: str = "reactor"  # of the description: the project's name
    version: str = "0"

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
        settings = cls.of(tool.get("reactor", {}) if isinstance(tool, dict) else {})
        project = tree.get("project")
        named = (
            {key: str(project[key]) for key in ("name", "version") if key in project}
            if isinstance(project, dict)
            else {}
        )
        return dataclasses.replace(
            settings, title=named.get("name", settings.title), version=named.get("version", settings.version)
        )

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> ProjectSettings:
        """The settings of a parsed `[tool.reactor]`."""
        known = (field.name for field in dataclasses.fields(cls) if field.name not in _OF_THE_PROJECT)
        _refuse_unknown("tool.reactor", table, known)
        wire_names = table.get("wire_names", cls().wire_names)
        if wire_names not in WIRE_NAMES:
            allowed = " or ".join(f'"{name}"' for name in WIRE_NAMES)
            raise DefinitionError(f"{FILE_NAME}: `tool.reactor.wire_names` must be {allowed}, not {wire_names!r}.")
        generated = table.get("generated", cls().generated)
        if not isinstance(generated, str) or not _stays_below(generated):
            raise DefinitionError(
                f"{FILE_NAME}: `tool.reactor.generated` must be a folder of the project, not {generated!r}."
            )
        include = _texts(table, "include", "patterns of files of the project")
        if not all(map(_stays_below, include)):
            raise DefinitionError(f"{FILE_NAME}: `tool.reactor.include` must stay in the project's folder.")
        return cls(
            wire_names=wire_names,
            limits=_limits(table.get("limits", {})),
            private_hosts=_texts(table, "private_hosts", "hosts"),
            generated=generated,
            include=include,
            python_client=_file("python_client", table.get("python_client"), ".py"),
            openapi=_file("openapi", table.get("openapi"), ".json"),
            files=_files(table.get("files", {})),
        )

    def outputs(self, root: Path) -> Outputs:
        """What is generated for the project in `root`."""
        from codegen import Outputs  # where nothing is generated, it is not needed

        return Outputs(root, self.generated, self.python_client, self.openapi, self.title, self.version)

    def files_at(self, url: str | None) -> BucketSettings | None:
        """Where files are kept when the operator says so: in the bucket of a URL, or with `local` in the data folder."""
        if url is None:
            return self.files
        if url == "local":
            return None
        named = self.files or BucketSettings("")
        return BucketSettings.of_url(url, named.endpoint, named.region)


def _file(name: str, value: Any, suffix: str) -> str | None:
    """A path below the project, or beside it; in functions/ it would be taken for a module of the project's."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.endswith(suffix) or Path(value).is_absolute():
        raise DefinitionError(
            f"{FILE_NAME}: `tool.reactor.{name}` must be the path of a {suffix} file, relative to the project, not "
            f"{value!r}."
        )
    if Path(os.path.normpath(value)).parts[0] == "functions":
        raise DefinitionError(
            f"{FILE_NAME}: `tool.reactor.{name}` must not lie in functions/, where reactor looks for your functions."
        )
    return value


def _files(table: Any) -> BucketSettings | None:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise DefinitionError(f"{FILE_NAME}: `tool.reactor.files` must be a table of strings, not {table!r}.")
    _refuse_unknown("tool.reactor.files", table, ("url", "endpoint", "region"))
    if not table:
        return None
    if "url" not in table:
        raise DefinitionError(f'{FILE_NAME}: `tool.reactor.files` needs a bucket: url = "s3://bucket/prefix".')
    return BucketSettings.of_url(table["url"], table.get("endpoint"), table.get("region"))


def _texts(table: Mapping[str, Any], name: str, what: str) -> tuple[str, ...]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise DefinitionError(f"{FILE_NAME}: `tool.reactor.{name}` must be a list of {what}, not {found!r}.")
    return tuple(found)


def _stays_below(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


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
