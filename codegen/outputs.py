"""Everything a project has generated, and where: TypeScript always, a Python client and OpenAPI where it asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codegen import openapi, python_client, typescript
from codegen.files import stale, write
from reactor.definitions.manifest import Manifest
from reactor.errors import DefinitionError


@dataclass(frozen=True, slots=True)
class Outputs:
    """What to write for the project in `root`; paths are relative to it."""

    root: Path
    types: str = "functions/_generated"  # the folder of the front end's types
    python_client: str | None = None
    openapi: str | None = None
    title: str = "reactor"
    version: str = "0"

    @property
    def sources(self) -> frozenset[Path]:
        """Generated files that look like Python sources of the project's own."""
        return frozenset() if self.python_client is None else frozenset({(self.root / self.python_client).resolve()})

    def render(self, manifest: Manifest) -> Mapping[Path, str]:
        """Path below the root → text."""
        files = {Path(self.types) / name: text for name, text in typescript.render(manifest).items()}
        if self.python_client is not None:
            files[Path(self.python_client)] = python_client.render(manifest)
        if self.openapi is not None:
            description = openapi.render(manifest, title=self.title, version=self.version)
            files[Path(self.openapi)] = openapi.to_text(description)
        return files

    def stale(self, manifest: Manifest) -> dict[Path, str]:
        """What `write` would change: path below the root → the text it should have.

        Raises DefinitionError where something else than a generated file is in the way.
        """
        files = self.render(manifest)
        self._refuse_foreign(files)
        return {path: text for path, text in files.items() if stale(self.root / path.parent, {path.name: text})}

    def write(self, manifest: Manifest) -> list[str]:
        """Bring the files up to date; the paths of those that changed. Those in the folder of types are bare names.

        Raises DefinitionError when one cannot be written.
        """
        changed = self.stale(manifest)
        for path, text in changed.items():
            try:
                write(self.root / path.parent, {path.name: text})
            except OSError as error:
                raise DefinitionError(f"{path} cannot be written: {error.strerror}.") from error
        return sorted(path.name if path.parent == Path(self.types) else f"./{path}" for path in changed)

    def _refuse_foreign(self, files: Mapping[Path, str]) -> None:
        """A slip in the settings must not cost anybody their schema.py."""
        for path in files:
            place = self.root / path
            try:
                text = place.read_text(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise DefinitionError(f"{path} cannot be generated: {error.strerror}.") from error
            if path.suffix == ".py" and text.strip() and not text.startswith(python_client.TITLE):
                raise DefinitionError(
                    f"{path} was not written by reactor, and is not written over: choose another path."
                )
