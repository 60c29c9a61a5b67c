"""`[tool.reactor]` of a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.cli.settings import ProjectSettings
from reactor.errors import DefinitionError
from reactor.files.bucket import BucketSettings
from reactor.limits import DEFAULT_LIMITS


def read(tmp_path: Path, text: str) -> ProjectSettings:
    (tmp_path / "pyproject.toml").write_text(text)
    return ProjectSettings.read(tmp_path)


def test_a_project_that_says_nothing_has_the_defaults(tmp_path: Path) -> None:
    assert ProjectSettings.read(tmp_path) == ProjectSettings()
    assert read(tmp_path, "[project]\nname = 'x'\nversion = '3'") == ProjectSettings(title="x", version="3")
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
        (
            "[tool.reactor]\nzzz = 1",
            "Known are: files, generated, include, limits, openapi, private_hosts, python_client, wire_names.",
        ),
        ("[tool.reactor]\nwire_names = 'snake'", "`tool.reactor.wire_names` must be"),
        ("[tool.reactor]\nprivate_hosts = 'x'", "`tool.reactor.private_hosts` must be a list of hosts, not 'x'."),
        ("[tool.reactor]\nprivate_hosts = [1]", "must be a list of hosts, not [1]."),
        ("[tool.reactor]\ntitle = 'x'", "has no setting `title`"),
        ("[tool.reactor]\npython_client = 'client/'", "must be the path of a .py file, relative to the project"),
        ("[tool.reactor]\npython_client = 'functions/api.py'", "must not lie in functions/"),
        ("[tool.reactor]\npython_client = 'client/../functions/api.py'", "must not lie in functions/"),
        ("[tool.reactor]\nopenapi = true", "must be the path of a .json file, relative to the project, not True."),
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


def test_files_may_be_kept_in_a_bucket(tmp_path: Path) -> None:
    settings = read(
        tmp_path, '[tool.reactor.files]\nurl = "s3://pics/mine"\nendpoint = "http://localhost:9000"\nregion = "auto"\n'
    )
    assert settings.files == BucketSettings("pics", "mine/", "http://localhost:9000", "auto")
    assert settings.files_at(None) == settings.files
    assert settings.files_at("local") is None
    assert settings.files_at("s3://other") == BucketSettings("other", "", "http://localhost:9000", "auto")
    assert ProjectSettings().files_at("s3://other") == BucketSettings("other")
    assert read(tmp_path, "").files is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('endpoint = "http://x"', "needs a bucket"),
        ('url = "pics"', "s3://bucket"),
        ("url = 5", "a table of strings"),
        ('url = "s3://pics"\nsecret = "x"', "no setting `secret`"),
    ],
)
def test_a_place_for_files_that_cannot_be_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DefinitionError, match=sentence):
        read(tmp_path, f"[tool.reactor.files]\n{text}\n")
