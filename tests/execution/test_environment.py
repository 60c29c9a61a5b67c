"""Environment variables inside functions (reference §4.11): what is seen, and what is remembered as read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactor.database.catalog import SYSTEM_INDEX, VARIABLE_NAMES_KEY, variable_key
from reactor.errors import DeveloperError
from reactor.limits import DEFAULT_LIMITS
from reactor.testing import TestBackend
from tests.execution.backends import backend, failure_text
from tests.support import Project

FUNCTIONS = """
    import os

    @query
    def read(ctx: QueryCtx, name: str) -> str | None:
        return ctx.env.get(name)

    @query
    def demand(ctx: QueryCtx, name: str) -> str:
        return ctx.env[name]

    @query
    def by_os(ctx: QueryCtx, name: str) -> list[str | None]:
        return [os.environ.get(name), os.getenv(name), os.environ[name] if name in os.environ else None]

    @query
    def names(ctx: QueryCtx) -> list[str]:
        assert len(ctx.env) == len(list(os.environ)) == len(os.environ)
        return list(ctx.env)

    @query
    def copy(ctx: QueryCtx, name: str) -> str | None:
        return os.environ.copy().get(name)

    @query
    def shown(ctx: QueryCtx) -> str:
        return f"{os.environ} {ctx.env}"

    @mutation
    def write(ctx: MutationCtx) -> None:
        os.environ["TOKEN"] = "mine"

    @query
    def outer(ctx: QueryCtx) -> str | None:
        return ctx.run_query(read, name="TOKEN")

    @mutation
    def in_mutation(ctx: MutationCtx, name: str) -> str | None:
        return ctx.env.get(name)

    @action
    async def in_action(ctx: ActionCtx, name: str) -> list[str | None]:
        return [ctx.env.get(name), os.environ.get(name)]

    @action
    def in_plain_action(ctx: SyncActionCtx, name: str) -> list[str | None]:
        return [ctx.env.get(name), os.environ.get(name)]

    @action
    async def assign(ctx: ActionCtx) -> list[str | None]:
        os.environ["TOKEN"] = "mine"
        seen = os.environ["TOKEN"]
        del os.environ["TOKEN"]
        return [seen, ctx.env.get("TOKEN"), os.environ.get("TOKEN")]
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[TestBackend]:
    with backend(tmp_path, FUNCTIONS) as running:
        running.set_env("TOKEN", "first")
        yield running


@pytest.mark.parametrize("path", ["m:read", "m:demand", "m:copy", "m:inMutation", "m:inAction", "m:inPlainAction"])
def test_every_kind_of_function_sees_a_variable(running: TestBackend, path: str) -> None:
    kind = "mutation" if "Mutation" in path else "action" if "Action" in path else "query"
    assert getattr(running, kind)(path, {"name": "TOKEN"}) in ("first", ["first", "first"])
    running.set_env("TOKEN", "second")
    assert getattr(running, kind)(path, {"name": "TOKEN"}) in ("second", ["second", "second"])


def test_os_environ_says_the_same_as_ctx_env(running: TestBackend) -> None:
    assert running.query("m:byOs", {"name": "TOKEN"}) == ["first"] * 3
    assert running.query("m:byOs", {"name": "NOWHERE"}) == [None] * 3


def test_a_variable_hides_the_process_s_own_and_removing_it_shows_that_again(
    running: TestBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "of the process")
    assert running.query("m:read", {"name": "TOKEN"}) == "first"
    assert os.environ["TOKEN"] == "of the process"  # outside of a call nothing is laid over
    running.set_env("TOKEN", None)
    assert running.query("m:read", {"name": "TOKEN"}) == "of the process"


def test_reactor_s_own_settings_are_not_for_functions(running: TestBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REACTOR_ADMIN_KEY", "sesame")
    assert running.query("m:byOs", {"name": "REACTOR_ADMIN_KEY"}) == [None] * 3
    assert "REACTOR_ADMIN_KEY" not in running.query("m:names")


def test_a_missing_variable_is_a_key_error_that_names_it(running: TestBackend) -> None:
    assert failure_text(running, "m:demand", {"name": "NOWHERE"}, "query") == "Uncaught KeyError: 'NOWHERE'"


def test_the_built_in_ones_are_there_and_cannot_be_set(running: TestBackend) -> None:
    """Reference §4.11: CONVEX_CLOUD_URL and CONVEX_SITE_URL."""
    assert running.query("m:byOs", {"name": "CONVEX_CLOUD_URL"}) == ["http://127.0.0.1:3210"] * 3
    assert {"CONVEX_CLOUD_URL", "CONVEX_SITE_URL", "TOKEN"} <= set(running.query("m:names"))
    with pytest.raises(DeveloperError, match="built-in"):
        running.set_env("CONVEX_SITE_URL", "http://elsewhere")


@pytest.mark.parametrize("path", ["m:read", "m:byOs", "m:outer"])
def test_reading_one_remembers_it_and_no_other(running: TestBackend, path: str) -> None:
    reads = running.outcome("query", path, {"name": "TOKEN"} if path != "m:outer" else {}).reads[SYSTEM_INDEX]
    assert (variable_key("TOKEN"), variable_key("TOKEN") + b"\0") in reads
    assert not any(key.startswith(b"variable") for key, _end in reads if key != variable_key("TOKEN"))


def test_one_that_is_not_there_is_remembered_too(running: TestBackend) -> None:
    reads = running.outcome("query", "m:read", {"name": "LATER"}).reads[SYSTEM_INDEX]
    assert variable_key("LATER") in [key for key, _end in reads]


def test_listing_remembers_which_there_are_and_not_their_values(running: TestBackend) -> None:
    reads = [key for key, _end in running.outcome("query", "m:names").reads[SYSTEM_INDEX]]
    assert VARIABLE_NAMES_KEY in reads
    assert variable_key("TOKEN") not in reads


def test_what_is_shown_of_an_environment_has_no_values(running: TestBackend) -> None:
    running.set_env("TOKEN", "canary-7d1f")
    shown = running.query("m:shown")
    assert "TOKEN" in shown
    assert "canary" not in shown


def test_a_mutation_cannot_change_the_environment(running: TestBackend) -> None:
    assert failure_text(running, "m:write").startswith(
        "Uncaught ForbiddenHere: A query or mutation cannot change the env"
    )


def test_what_an_action_assigns_is_its_own(running: TestBackend) -> None:
    assert running.action("m:assign") == ["mine", None, None]
    assert running.query("m:read", {"name": "TOKEN"}) == "first"
    assert "TOKEN" not in os.environ


def test_a_value_may_be_anything(running: TestBackend) -> None:
    for value in ("", " ", "a\r\nb\n", "ünï 🙂", "x" * DEFAULT_LIMITS.environment_value_size, "\0"):
        running.set_env("TOKEN", value)
        assert running.query("m:read", {"name": "TOKEN"}) == value


def test_code_sees_the_variables_while_it_is_loaded(tmp_path: Path) -> None:
    functions = """
        import os
        from reactor import QueryCtx, query

        ISSUER = os.environ["ISSUER"]

        @query
        def issuer(ctx: QueryCtx) -> str:
            return ISSUER
    """
    project = Project(tmp_path, functions={"m": functions})
    with TestBackend(project.root, env={"ISSUER": "https://a"}) as one:
        assert one.query("m:issuer") == "https://a"
        assert "ISSUER" in one.bundle.asked
    with TestBackend(project.root, env={"ISSUER": "https://b"}) as other:
        assert other.bundle.hash != one.bundle.hash
        assert "ISSUER" not in os.environ


# ── limits (reference §4.11) ──────────────────────────────────────────────────────────────────────────────────────────


def refusal(running: TestBackend, name: str, value: str = "x") -> str:
    with pytest.raises(DeveloperError) as caught:
        running.set_env(name, value)
    assert running.query("m:read", {"name": "TOKEN"}) == "first"
    return str(caught.value)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "Ä", "A\n", "A=B"])
def test_a_name_is_an_identifier(running: TestBackend, name: str) -> None:
    assert "is invalid" in refusal(running, name)


def test_a_name_has_at_most_256_characters(running: TestBackend) -> None:
    running.set_env("N" * 256, "x")
    text = refusal(running, "N" * 257)
    assert "257 > maximum length 256" in text
    assert "`environment_name_length` in [tool.reactor.limits]" in text


def test_a_value_has_at_most_8_kib(running: TestBackend) -> None:
    running.set_env("V", "é" * 4096)
    text = refusal(running, "V", "é" * 4096 + "x")
    assert "8193 bytes > maximum size 8192 bytes" in text
    assert "`environment_value_size` in [tool.reactor.limits]" in text
    assert "é" not in text


def test_there_are_at_most_512(running: TestBackend) -> None:
    for number in range(511):
        running.set_env(f"V{number}", "x")
    text = refusal(running, "ONE_MORE")
    assert "limit (512) has been met" in text
    assert "`environment_variables` in [tool.reactor.limits]" in text
    running.set_env("V0", "another value of one that is there")


def test_all_together_have_at_most_512_kib(running: TestBackend) -> None:
    each = 8192 - len("V00")
    for number in range(63):
        running.set_env(f"V{number:02}", "x" * each)
    room = 8192 - len("TOKENfirst")
    running.set_env("LAST", "x" * (room - len("LAST")))
    text = refusal(running, "LAST", "x" * (room - len("LAST") + 1))
    assert "524289 bytes > maximum size 524288 bytes" in text
    assert "`environment_size` in [tool.reactor.limits]" in text
