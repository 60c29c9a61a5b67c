"""What can be told of a file without running it."""

from __future__ import annotations

import textwrap

import pytest

from reactor.execution.source import Import, Source


def source(text: str, package: str = "functions") -> Source:
    return Source(package, textwrap.dedent(text).encode())


def test_every_form_of_an_import_is_found_wherever_it_stands() -> None:
    found = source(
        """
        import plain
        from functions import sibling as s
        if True:
            from package.part import other

        def f():
            import deep.inner, numpy as np
            from . import beside
            from .below import (
                thing,
            )
            from ..above import everything
            class C:
                from star import *
    """,
        "functions.deep",
    ).imports
    assert set(found) == {
        Import("plain", None, "plain"),
        Import("functions", "sibling", "s"),
        Import("package.part", "other", "other"),
        Import("deep.inner", None, "deep"),
        Import("numpy", None, "np"),
        Import("functions.deep", "beside", "beside"),
        Import("functions.deep.below", "thing", "thing"),
        Import("functions.above", "everything", "everything"),
        Import("star", "*", "*"),
    }


def test_what_only_type_checkers_import_is_no_import() -> None:
    found = source("""
        import typing
        from typing import TYPE_CHECKING
        '''from docstring import no'''
        if TYPE_CHECKING:
            from checked import no
        else:
            from run import yes
        if typing.TYPE_CHECKING:
            import also_checked
    """).imports
    assert [each.module for each in found] == ["typing", "typing", "run"]


@pytest.mark.parametrize("text", ["def f(:", "\0", "é".encode("latin-1").decode("latin-1") + "\0"])
def test_a_file_that_does_not_compile_imports_nothing(text: str) -> None:
    assert source(text).imports == ()


@pytest.mark.parametrize(
    "text",
    [
        "logging.basicConfig()",
        "for shared.rate in [1]: pass",
        "with f() as shared.rate: pass",
        "done = [setattr(shared, name, 1) for name in 'ab']",
        "register('name', f)",
        "json.dumps = f",
        "os.environ['A'] = 'b'",
        "REGISTRY += [1]",
        "del shared.x",
        "if True:\n    register(1)",
        "for name in names:\n    register(name)",
        "class A:\n    register(1)",
        "alias = shared.list\nalias.append(1)",
        "[register(name) for name in names]",
        "def setup():\n    json.dumps = f\nsetup()",
        "def setup():\n    def inner():\n        pass\n    logging.basicConfig()\nTABLE = setup()",
        "class A:\n    def __init__(self):\n        shared.x = 1\na = A()",
        "print('hello')",
    ],
)
def test_a_file_that_does_something_to_others_when_imported_acts(text: str) -> None:
    assert source(f"from shared import register, shared, f, REGISTRY\nimport json, os, logging\n{text}").effects.acts


@pytest.mark.parametrize(
    "text",
    [
        '"""A docstring."""',
        "crons = Crons()\ncrons.daily('x', f)",
        "http = HttpRouter()\n@http.get('/')\nasync def home(ctx): register(1)",
        "TABLE = {}\nTABLE['a'] = 1\nTABLE.update(b=2)",
        "def f(): logging.basicConfig()",
        "def f(): pass\nf.__doc__ = 'x'",
        "PATTERN = re.compile('x')\nlog = logging.getLogger(__name__)",
        "if __name__ == '__main__':\n    main()",
        "try:\n    import orjson\nexcept ImportError:\n    orjson = None",
        "class A:\n    x: int = 0\n    def f(self): shared.x = 1",
        "def build():\n    found = {}\n    found['a'] = 1\n    return found\nTABLE = build()",
    ],
)
def test_a_file_that_only_defines_does_not_act(text: str) -> None:
    assert not source(f"import logging, re\nfrom shared import register, shared\n{text}").effects.acts


def test_what_it_calls_of_others_while_it_is_imported_is_told() -> None:
    effects = source("""
        from lib import decorate, Base, limit, unused, via, late as soon
        import deep.thing

        @decorate
        def f(x=limit(3)):
            unused()

        class A(Base):
            pass

        def own():
            return soon

        X = [own()]
        Y = deep.thing.make()
    """).effects
    assert not effects.acts
    assert effects.calls == {"lib.decorate", "lib.Base", "lib.limit", "lib.late", "deep.thing"}


@pytest.mark.parametrize("text", ["importlib.import_module(name)", "sys.modules['x']", "Base.__subclasses__()"])
def test_a_file_that_finds_modules_by_other_means_is_elusive(text: str) -> None:
    assert source(f"def f():\n    {text}").elusive
    assert not source("import importlib.metadata, sys").elusive


def test_a_file_too_deep_to_be_read_may_do_anything() -> None:
    chain = "if x == 0:\n    pass\n" + "".join(f"elif x == {n}:\n    pass\n" for n in range(2000))
    deep = source(chain + "else:\n    import late\n")
    assert deep.elusive
    assert deep.effects.acts
