"""A page as somebody follows it: what is typed and what then appears, which files are saved and how they are changed.

```console      a `$ ` line is typed; the lines below it are what appears, `...` standing for anything
```python       a file: the first line names it
```diff         a change of a file: the first line names it, the rest is what was there and what is there afterwards
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LASTING = re.compile(
    r"make run\b|reactor (dev|serve)\b|npm run (dev|preview)\b"
)  # commands that stay in their terminal
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """One line typed into a terminal."""

    typed: str
    appears: str  # `...` stands for anything

    @property
    def lasting(self) -> bool:
        return LASTING.match(self.typed) is not None


@dataclass(frozen=True, slots=True)
class Save:
    """A file written as a whole."""

    name: str
    text: str

    def do(self, root: Path) -> None:
        path = root / self.name
        assert not path.exists(), f"{self.name} is there already"
        path.write_text(self.text)


@dataclass(frozen=True, slots=True)
class Edit:
    """A place in a file that becomes another."""

    name: str
    before: str
    after: str

    def do(self, root: Path) -> None:
        path = root / self.name
        text = path.read_text()
        assert text.count(self.before) == 1, f"{self.name} has not, or not once:\n{self.before}"
        path.write_text(text.replace(self.before, self.after))


Step = Command | Save | Edit


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under a heading."""

    title: str
    steps: tuple[Step, ...]


def sections(page: str) -> list[Section]:
    """Of a page in Markdown."""
    _, *parts = re.split(r"^## ", page, flags=re.MULTILINE)
    return [Section(part.partition("\n")[0], tuple(_steps(part))) for part in parts]


def _steps(text: str) -> Iterator[Step]:
    for language, block in _BLOCK.findall(text):
        if language == "console":
            yield from _commands(block)
            continue
        first, _, rest = block.partition("\n")
        name = first.removeprefix("# ")
        assert name != first, f"a snippet names its file: {block}"
        if language == "diff":
            lines = [(line[:1] or " ", line[1:]) for line in rest.splitlines()]
            before, after = ("".join(f"{line}\n" for mark, line in lines if mark in marks) for marks in (" -", " +"))
            yield Edit(name, before, after)
        else:
            yield Save(name, block)


def _commands(block: str) -> Iterator[Command]:
    typed, appears = "", ""
    for line in [*block.splitlines(), "$ "]:
        if line.startswith("$ "):
            if typed:
                yield Command(typed, appears)
            typed, appears = line.removeprefix("$ "), ""
        else:
            appears += f"{line}\n"
