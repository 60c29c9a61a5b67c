"""`make newcomer`: does what README and tutorial say, literally, in a folder and an environment that are new.

A clone first, then the tutorial; commands are typed into shells, windows are those of Chromium, and what appears is
compared with what the page says. Prints every step, and in the end how long it took until something was live.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.newcomer.browser import Browser, browser
from tests.newcomer.people import DOES
from tests.newcomer.terminal import Terminal
from tests.newcomer.tutorial import Command, Edit, Save, Section, sections
from tests.support import free_port

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
READY = "reactor ready at http://127.0.0.1:3210"
GREETING = """from reactor import QueryCtx, query


@query
def greet(ctx: QueryCtx) -> str:
    return "good morning"
"""


class Newcomer:
    """One person with terminals and two windows. Ports of the pages are exchanged for ones that are free."""

    def __init__(
        self, folder: Path, environment: dict[str, str], windows: list[Browser], pictures: Path | None
    ) -> None:
        self._folder = folder
        self._ports = {"3210": str(free_port()), "8080": str(free_port())}
        port = self._ports["3210"]
        own = {"REACTOR_PORT": port, "VITE_REACTOR_URL": f"http://127.0.0.1:{port}"}
        self._environment = {**environment, **own}
        self._windows = windows
        self._pictures = pictures
        self._terminals: list[Terminal] = []
        self._url = ""  # of the page that was told last
        self._began = time.monotonic()
        self.steps = 0

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._began) / 60

    @property
    def seen(self) -> str:
        """All that appeared in the terminals."""
        return "\n".join(terminal.shown for terminal in self._terminals)

    def type(self, typed: str, appears: str = "") -> None:
        """Into the terminal that is free, else into a new one."""
        if not self._terminals or self._terminals[-1].busy:
            self._terminals.append(Terminal(self._folder, self._environment))
        with self._step(f"$ {typed}"):
            appeared = self._terminals[-1].type(Command(self._here(typed), self._here(appears)))
        if found := re.search(r"http://localhost:\d+/", appeared):
            self._url = found[0]

    def follow(self, section: Section, root: Path) -> None:
        """Everything under a heading, and then what a person does with it."""
        print(f"\n{section.title}", flush=True)
        for step in section.steps:
            if isinstance(step, Command):
                self.type(step.typed, step.appears)
            else:
                self.save(step, root)
        if section.title in DOES:
            does = DOES[section.title]
            with self._step(does.__name__.replace("_", " ")):
                does(*self._windows, self._url)
            self._picture(section.title)

    def save(self, step: Save | Edit, root: Path) -> None:
        """And see `reactor dev` say what became of it, if it is the backend's."""
        dev = self._terminals[0]
        with self._step(f"save {step.name}"):
            before = len(dev.shown)
            step.do(root)
            if step.name.startswith(("schema.py", "functions/")):
                dev.wait_for(rf"^✓ {re.escape(step.name)}", before)

    def greets(self, clone: Path) -> None:
        """The page of the backend itself: a function is written, called, and changed."""
        window, *_ = self._windows
        file = clone / "functions" / "hello.py"
        with self._step("open the page of the backend, save functions/hello.py, and see a change of it"):
            window.open(f"http://127.0.0.1:{self._ports['3210']}/")
            window.wait_for("The backend is running")
            dev, before = self._terminals[0], len(self._terminals[0].shown)
            file.write_text(GREETING)
            dev.wait_for(r"^✓ functions/hello\.py", before)
            window.evaluate("location.reload()")  # it lists the functions there were when it was opened
            window.wait_for("hello:greet")
            window.evaluate("location.hash = 'hello%3Agreet'")
            window.wait_for("returns")
            window.click("#go")
            window.wait_for("good morning")
            file.write_text(GREETING.replace("morning", "evening"))
            window.wait_for("good evening")
        self._picture("clone")

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close()

    @contextmanager
    def _step(self, text: str) -> Iterator[None]:
        began = time.monotonic()
        self.steps += 1
        yield
        print(f"  {time.monotonic() - began:6.1f} s  {text}", flush=True)

    def _here(self, text: str) -> str:
        for port, free in self._ports.items():
            text = re.sub(rf"\b{port}\b", free, text)
        return re.sub(r"(?<=localhost:)\d+", "...", text)  # Vite takes the next one that is free

    def _picture(self, title: str) -> None:
        if self._pictures is not None:
            for letter, window in zip("ab", self._windows, strict=True):
                window.screenshot(self._pictures / f"{title.lower().replace(' ', '-')}-{letter}.png")


def environment(folder: Path) -> dict[str, str]:
    """A machine without reactor: `pip install reactor-backend` finds the wheel that this tree makes."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    (folder / "constraints.txt").write_text(f"reactor-backend @ {wheel.as_uri()}\n")
    tools = folder / "bin"
    tools.mkdir()
    (tools / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    own = str(Path(sys.executable).parent)
    path = [each for each in os.environ["PATH"].split(os.pathsep) if each != own]
    if shutil.which("npm", path=os.pathsep.join(path)) is None:
        path.append(own)  # the Node of the tests
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("REACTOR_", "PYTHON", "VIRTUAL_"))
    }
    return {
        **kept,
        "PATH": os.pathsep.join([str(tools), *path]),
        "PIP_CONSTRAINT": str(folder / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "NO_COLOR": "1",
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="make newcomer", description=__doc__)
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of both windows after every section")
    parser.add_argument("--no-clone", action="store_true", help="only the tutorial")
    given = parser.parse_args()
    if given.pictures is not None:
        given.pictures.mkdir(parents=True, exist_ok=True)
    figures = []
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="newcomer-")))
        (home / "wheel").mkdir()
        machine = environment(home / "wheel")
        windows = stack.enter_context(browser(2))
        if not given.no_clone:
            figures.append(_clone(home / "clone-of-it", machine, windows, given.pictures))
        figures += _tutorial(home / "empty", machine, windows, given.pictures)
    print("\n" + "\n".join(figures))


def _clone(folder: Path, machine: dict[str, str], windows: list[Browser], pictures: Path | None) -> str:
    """The two lines somebody types who has found the repository."""
    folder.mkdir()
    person = Newcomer(folder, {**machine, "PIP_CONSTRAINT": ""}, windows, pictures)
    print("A clone")
    try:
        person.type(f"git clone --quiet file://{ROOT} reactor")
        person.type("cd reactor")
        person.type("make run", f"...\n{READY}\n")
        person.greets(folder / "reactor")
    finally:
        person.close()
    return f"clone to first live update: {person.steps} steps, {person.minutes:.1f} minutes"


def _tutorial(folder: Path, machine: dict[str, str], windows: list[Browser], pictures: Path | None) -> list[str]:
    folder.mkdir()
    person = Newcomer(folder, machine, windows, pictures)
    figures = []
    try:
        for section in sections(TUTORIAL.read_text()):
            person.follow(section, folder / "my-app")
            if section.title == "The page":
                figures.append(f"tutorial to first live update: {person.steps} steps, {person.minutes:.1f} minutes")
    except BaseException:
        print(person.seen, file=sys.stderr)
        raise
    finally:
        person.close()
    return [*figures, f"the whole tutorial: {person.steps} steps, {person.minutes:.1f} minutes"]


if __name__ == "__main__":
    main()
