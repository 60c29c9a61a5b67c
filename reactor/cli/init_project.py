"""`reactor init`: a project that works, in a folder that had none. Nothing that exists is written over."""

from __future__ import annotations

import enum
import re
import shlex
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

import codegen
from reactor.cli.project import load_here
from reactor.cli.terminal import Terminal
from reactor.errors import DefinitionError

EXAMPLES = """
**Examples**

    reactor init my-app                     # notes: one table, four functions, their tests

    reactor init my-app --web               # and a React page that shows them, live

    reactor init chat --template chat --web
"""
TYPES = "web/src/generated"  # the folder of a front end's types
_RENAMED = {"gitignore": ".gitignore", "pyproject.toml.txt": "pyproject.toml"}  # which would mean something here
_OPTIONAL = (".gitignore", "README.md", "pyproject.toml")  # a project can do with those it has
_CALLS = {"minimal": """notes:add 'text="buy milk"'""", "chat": "chat:send room=lobby author=ann text=hi"}
_WEB = """
The page, in `web/`, uses the npm package `convex` as it is. `reactor dev` keeps its types in `web/src/generated` up to
date:

```sh
cd web && npm install && npm run dev    # http://localhost:5173, beside `reactor dev`
```
"""


class Template(enum.Enum):
    """What there is to begin with."""

    MINIMAL = "minimal"
    CHAT = "chat"


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where; made if it is not there.")] = Path(),
    template: Annotated[
        Template, typer.Option(help="`minimal` is a list of notes; `chat` has an index and a cron.")
    ] = Template.MINIMAL,
    web: Annotated[bool, typer.Option("--web", help="Also a React front end in web/ (Vite, TypeScript).")] = False,
) -> None:
    """Make a new project: schema, functions, tests, settings."""
    root = Path.cwd() / folder
    made = dict(_contents(template.value, _name(root), web=web))
    kept = [name for name in _OPTIONAL if (root / name).exists() and not (web and name == "pyproject.toml")]
    for name in kept:
        del made[name]
    present = [name for name in (*made, "functions") if (root / name).exists()]
    if present:
        raise DefinitionError(
            f"{root} has {', '.join(sorted(present)[:5])} already, and nothing is written over: choose another folder."
        )
    for name, text in made.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if web:
        bundle = load_here(root)
        codegen.write(root / TYPES, codegen.typescript.render(bundle.manifest))
        bundle.unload()
    terminal = Terminal(root)
    terminal.done(f"made {root.name}: {len(made)} files")
    for name in kept:
        terminal.say(f"{name} was there and is as it was")
    if ".gitignore" in kept:
        terminal.warn("Add .reactor/ to .gitignore: it will hold the data, and the operator's key.")
    _tell_next(folder, template.value, web=web)


def _contents(template: str, name: str, *, web: bool) -> Iterator[tuple[str, str]]:
    """Path → text of every file of the new project."""
    settings = f'generated = "{TYPES}"  # where the types of the front end go\n' if web else ""
    words = {"name": name, "settings": settings, "call": _CALLS[template], "web": _WEB if web else ""}
    shelf = files("reactor.cli") / "templates"
    sources = [shelf / "common", shelf / template]
    found = [entry for source in sources for entry in _walk(source) if not entry[0].startswith("web/")]
    if web:
        found += [(f"web/{path}", file) for path, file in _walk(shelf / "web")]
        found += [(f"web/{path}", file) for path, file in _walk(shelf / template / "web")]
    for path, file in found:
        text = file.read_text("utf-8")
        for word, value in words.items():
            text = text.replace("{{" + word + "}}", value)
        yield path, text


def _walk(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _walk(entry, f"{above}{entry.name}/")
        else:
            yield above + _RENAMED.get(entry.name, entry.name), entry


def _name(root: Path) -> str:
    """The folder's name, as packages may be called."""
    return re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-") or "app"


def _tell_next(folder: Path, template: str, *, web: bool) -> None:
    go = "" if folder == Path() else f"cd {shlex.quote(str(folder))}\n  "
    print(f"\nNext:\n\n  {go}reactor dev", file=sys.stderr)
    back = f"cd {shlex.quote(str(folder))} && " if go else ""
    if web:
        print(
            f"\nand in a second terminal:\n\n  cd {shlex.quote(str(folder / 'web'))} && npm install && npm run dev\n\n"
            "Then open http://localhost:5173 twice.",
            file=sys.stderr,
        )
    else:
        print(f"\nand in a second terminal:\n\n  {back}reactor run {_CALLS[template]}", file=sys.stderr)
