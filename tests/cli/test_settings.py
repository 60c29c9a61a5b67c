"""`[tool.reactor]` of a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.cli.settings import ProjectSettings
from reactor.errors import DefinitionError
from reactor.limits import DEFAULT_LIMITS


def read(tmp_path: Path, text: str) -> ProjectSettings:
    (tmp_path / "pyproject.toml").write_text(text)
    return ProjectSettings.read(tmp_path)


def test_a_project_that_says_nothing_has_the_defaults(tmp_path: Path) -> None:
    assert ProjectSettings.read(tmp_path) == ProjectSettings()
    assert read(tmp_path, "[project]\nname = 'x'") == ProjectSettings()
    assert ProjectSettings().limits is DEFAULT_LIMITS


def test_limits_are_overridden_by_their_names(tmp_path: Path) -> None:
    settings = read(
        tmp_path, '[tool.reactor]\nwire_names = "as_written"\n[tool.reactor.limits]\nreaders = 4\nfunction_cpu = 2\n'
    )
    assert settings.wire_names == "as_written"
    assert (settings.limits.readers, settings.limits.function_cpu) == (4, 2.0)
    assert isinstance(settings.limits.function_cpu, float)
    assert settings.limits.documents_read == DEFAULT_LIMITS.documents_read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.reactor]\nwire_name = 'x'", "`tool.reactor` has no setting `wire_name`. Did you mean `wire_names`?"),
        ("[tool.reactor]\nzzz = 1", "Known are: generated, include, limits, private_hosts, wire_names."),
        ("[tool.reactor]\nwire_names = 'snake'", "`tool.reactor.wire_names` must be"),
        ("[tool.reactor]\nprivate_hosts = 'x'", "`tool.reactor.private_hosts` must be a list of hosts, not 'x'."),
        ("[tool.reactor]\nprivate_hosts = [1]", "must be a list of hosts, not [1]."),
        ("[tool.reactor]\nlimits = 3", "`tool.reactor.limits` must be a table, not 3."),
        ("[tool.reactor.limits]\ndocument_reads = 1", "Did you mean `documents_read`?"),
        ("[tool.reactor.limits]\nreaders = 1.5", "`tool.reactor.limits.readers` must be a whole number above zero"),
        ("[tool.reactor.limits]\nreaders = 0", "above zero, not 0."),
        ("[tool.reactor.limits]\nreaders = true", "not True."),
        ("[tool.reactor.limits]\nquery_wall = 'long'", "must be a number above zero, not 'long'."),
        ("[tool.reactor", "pyproject.toml cannot be read"),
    ],
)
def test_each_mistake_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
