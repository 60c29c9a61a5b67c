"""Functions by any spelling, and the texts for those that are not to be had."""

from __future__ import annotations

import pytest

from reactor import QueryCtx, action, internal_mutation, query
from reactor.definitions.function_definition import FunctionDefinition
from reactor.errors import FunctionNotFound, WrongFunctionKind
from reactor.execution.registry import FunctionRegistry, shown_path, wire_path


@query
def get_current_user(ctx: QueryCtx) -> None: ...


@query
def default(ctx: QueryCtx) -> None: ...


@internal_mutation
def clean_up(ctx: object) -> None: ...


@action
async def stranger(ctx: object) -> None: ...


REGISTRY = FunctionRegistry(
    [
        FunctionDefinition.of(get_current_user, "app.user_data", "get_current_user"),
        FunctionDefinition.of(default, "app.user_data", "default"),
        FunctionDefinition.of(clean_up, "jobs", "clean_up"),
    ]
)


@pytest.mark.parametrize(
    "path",
    [
        "app/userData:getCurrentUser",
        "app/user_data:get_current_user",
        "app/user_data:getCurrentUser",
        "app/userData:get_current_user",
        "app/userData.js:getCurrentUser",
        "app/user_data.js:get_current_user",
    ],
)
def test_a_function_answers_to_every_spelling(path: str) -> None:
    assert REGISTRY.find(path, "query", internal=False).function is get_current_user


@pytest.mark.parametrize(
    "path", ["app/userData", "app/user_data", "app/userData:default", "app/userData.js:default", "app/userData.js"]
)
def test_a_default_function_answers_to_its_modules_name(path: str) -> None:
    assert REGISTRY.find(path, "query", internal=False).function is default


@pytest.mark.parametrize("path", ["jobs:cleanUp", "jobs:nothing", "jobs"])
def test_internal_and_missing_functions_look_the_same_to_the_public(path: str) -> None:
    with pytest.raises(FunctionNotFound) as caught:
        REGISTRY.find(path, "mutation", internal=False)
    assert str(caught.value) == f"Could not find public function for '{path}'."


def test_an_internal_caller_is_told_what_it_may_have_meant() -> None:
    assert REGISTRY.find("jobs:cleanUp", "mutation", internal=True).function is clean_up
    with pytest.raises(
        FunctionNotFound, match=r"Could not find function for 'jobs:cleanup'. Did you mean `jobs:cleanUp`\?"
    ):
        REGISTRY.find("jobs.js:cleanup", "mutation", internal=True)


def test_the_wrong_kind_is_named_with_the_right_one() -> None:
    with pytest.raises(WrongFunctionKind) as caught:
        REGISTRY.find("app/userData:getCurrentUser", "mutation", internal=False)
    assert str(caught.value) == (
        "Trying to execute app/userData.js:getCurrentUser as Mutation, but it is defined as Query."
    )


def test_functions_name_functions_by_object_or_path() -> None:
    assert REGISTRY.of(clean_up).path == "jobs:cleanUp"
    assert REGISTRY.of("jobs:clean_up").path == "jobs:cleanUp"
    with pytest.raises(FunctionNotFound, match="no function of this project"):
        REGISTRY.of(stranger)
    with pytest.raises(FunctionNotFound, match="jobs:gone"):
        REGISTRY.of("jobs:gone")


def test_paths_for_people_and_for_jobs() -> None:
    assert shown_path("a/b.js:f") == "a/b:f"
    assert shown_path("a/b:default") == shown_path("a/b.js:default") == shown_path("a/b.js") == "a/b"
    assert wire_path(REGISTRY.of(clean_up)) == "jobs.js:cleanUp"
