from __future__ import annotations

import functools
from datetime import datetime
from typing import Annotated, Any

import pytest
from pydantic import Field

from reactor import (
    UNSET,
    ActionCtx,
    Id,
    Int64,
    Model,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    SyncActionCtx,
    Unset,
    action,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from reactor.definitions.function_definition import FunctionDefinition, by_path, function_paths
from reactor.errors import ArgumentValidationError, DefinitionError, ReturnsValidationError
from reactor.values.validator import AnyV, ArrayV, IdV, NullV, NumberV, ObjectV, StringV, UnionV
from reactor.values.validator import Field as Member
from tests.definitions.example import ID, MS, NOW, Image, User, read, stored, user


class Card(Model):
    title_text: str
    note: str | None = None


@query
def latest(ctx: QueryCtx, user_id: Id[User], limit: int = 20) -> list[Image]:
    """The newest images.

    Of one user.
    """
    return [ctx, user_id, limit]  # type: ignore[list-item]


@mutation
def update(
    ctx: MutationCtx,
    image_id: Id[Image],
    prompt: Annotated[str, Field(max_length=5)] | Unset = UNSET,
    note: str | Unset | None = UNSET,
    card: Card | None = None,
    when: datetime = NOW,
) -> None: ...


@query
def loose(ctx, a, b=3):  # type: ignore[no-untyped-def]
    return a


def define(function: Any, module: str = "my_mod") -> FunctionDefinition:
    return FunctionDefinition.of(function, module, function.__name__)


LATEST, UPDATE = define(latest), define(update)


def assert_refused(definition: FunctionDefinition, args: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentValidationError) as caught:
        definition.bind(args)
    assert str(caught.value) == text


# ── decorators ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_decorated_function_is_called_as_it_was_written() -> None:
    assert latest("ctx", ID) == ["ctx", ID, 20]  # type: ignore[arg-type]
    assert (latest.__name__, latest.kind, latest.visibility) == ("latest", "query", "public")
    assert latest.__doc__ is not None
    assert latest.__doc__.startswith("The newest images")


def test_kinds_and_visibilities() -> None:
    def plain(ctx: Any) -> None: ...

    async def slow(ctx: Any) -> None: ...

    made = [query(plain), internal_query(plain), mutation(plain), internal_mutation(plain), action(plain), action(slow)]
    made.append(internal_action(slow))
    assert [(each.kind, each.visibility, each.is_async) for each in made] == [
        ("query", "public", False),
        ("query", "internal", False),
        ("mutation", "public", False),
        ("mutation", "internal", False),
        ("action", "public", False),
        ("action", "public", True),
        ("action", "internal", True),
    ]


async def test_both_forms_of_actions_are_called_as_they_were_written() -> None:
    @action
    async def slow(ctx: ActionCtx, x: int) -> int:
        return x + 1

    @action
    def blocking(ctx: SyncActionCtx, x: int) -> int:
        return x + 2

    assert await slow("ctx", 1) == 2  # type: ignore[arg-type]
    assert blocking("ctx", 1) == 3  # type: ignore[arg-type]


def test_an_async_query_or_mutation_is_refused_with_what_to_do() -> None:
    async def reads(ctx: QueryCtx) -> int:
        return 1

    for decorate in (query, internal_query, mutation, internal_mutation):
        with pytest.raises(
            DefinitionError, match=r"is `async def`, but a .* awaits nothing: write `def`, or make it an action"
        ):
            decorate(reads)


def test_a_context_of_another_kind_is_refused() -> None:
    def writes(ctx: MutationCtx) -> None: ...

    async def slow(ctx: SyncActionCtx) -> None: ...

    def blocking(ctx: ActionCtx) -> None: ...

    with pytest.raises(DefinitionError, match="a query takes a QueryCtx, not a MutationCtx"):
        query(writes)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="`async def` action takes a ActionCtx, not a SyncActionCtx"):
        action(slow)
    with pytest.raises(DefinitionError, match="plain `def` action takes a SyncActionCtx, not a ActionCtx"):
        action(blocking)  # type: ignore[arg-type]


def test_what_is_no_ordinary_function_is_refused() -> None:
    def yields(ctx: QueryCtx) -> Any:
        yield 1

    with pytest.raises(DefinitionError, match="yield"):
        query(yields)
    with pytest.raises(DefinitionError, match="is for functions"):
        query(functools.partial(print))
    with pytest.raises(DefinitionError, match="decorated twice"):
        query(latest)


# ── paths ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("module", "name", "paths"),
    [
        ("users", "get", ("users:get", "users:get")),
        ("generation_actions", "process_generation", ("generationActions:processGeneration", "generation_actions:process_generation")),
        ("test.my_mod", "run_all", ("test/myMod:runAll", "test/my_mod:run_all")),
        ("import_", "list_", ("import:list", "import_:list_")),
    ],
)  # fmt: skip
def test_a_function_has_a_wire_path_and_a_python_path(module: str, name: str, paths: tuple[str, str]) -> None:
    assert function_paths(module, name) == paths


def test_names_can_be_left_as_written() -> None:
    definition = FunctionDefinition.of(update, "my_mod", "update", names=str)
    assert definition.path == "my_mod:update"
    assert definition.bind({"image_id": ID, "card": {"title_text": "t"}}) == {
        "image_id": ID,
        "card": Card(title_text="t"),
    }


def test_a_function_answers_to_both_forms_and_two_must_not_meet() -> None:
    assert by_path([LATEST]) == {"myMod:latest": LATEST, "my_mod:latest": LATEST}
    with pytest.raises(
        DefinitionError,
        match=r"`myMod:latest` and `my_mod:latest` are both|`my_mod:latest` and `myMod:latest` are both",
    ):
        by_path([LATEST, define(latest, "myMod")])


# ── arguments ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_annotations_are_the_validators() -> None:
    assert LATEST.args == ObjectV((Member("userId", IdV("users")), Member("limit", NumberV(), True)))
    card = ObjectV((Member("titleText", StringV()), Member("note", StringV(), True)))
    assert UPDATE.args == ObjectV(
        (
            Member("imageId", IdV("images")),
            Member("prompt", StringV(), True),
            Member("note", UnionV((StringV(), NullV())), True),
            Member("card", card, True),
            Member("when", NumberV(), True),
        )
    )
    assert isinstance(LATEST.returns, ArrayV)
    assert UPDATE.returns == NullV()


def test_what_is_not_annotated_is_any() -> None:
    definition = define(loose)
    assert definition.args == ObjectV((Member("a", AnyV()), Member("b", AnyV(), True)))
    assert definition.returns is None
    assert definition.bind({"a": {"some_key": 1}}) == {"a": {"some_key": 1}}
    assert definition.encode_result({"some_key": [1.0]}) == b'{"some_key":[1]}'


def test_python_fills_what_was_not_sent() -> None:
    assert LATEST.bind({"userId": ID}) == {"user_id": ID}
    assert UPDATE.bind({"imageId": ID, "note": None, "card": None}) == {"image_id": ID, "note": None, "card": None}


def test_arguments_arrive_as_python_has_them() -> None:
    bound = UPDATE.bind({"imageId": ID, "card": {"titleText": "t"}, "when": MS})
    assert bound == {"image_id": ID, "card": Card(title_text="t"), "when": NOW}
    assert type(LATEST.bind({"userId": ID, "limit": 3.0})["limit"]) is int


def test_a_wrong_argument_has_the_text_of_the_reference() -> None:
    assert_refused(
        LATEST,
        {"userId": ID, "limit": "ten"},
        'Value does not match validator.\nPath: .limit\nValue: "ten"\nValidator: v.float64()',
    )


def test_missing_and_extra_arguments_have_the_text_of_the_reference() -> None:
    validator = 'v.object({limit: v.optional(v.float64()), userId: v.id("users")})'
    assert_refused(
        LATEST,
        {},
        "Object is missing the required field `userId`. Consider wrapping the field validator in `v.optional(...)` if "
        f"this is expected.\n\nObject: {{}}\nValidator: {validator}",
    )
    assert_refused(
        LATEST,
        {"userId": ID, "user_id": ID},
        f"Object contains extra field `user_id` that is not in the validator.\n\n"
        f'Object: {{userId: "{ID}", user_id: "{ID}"}}\nValidator: {validator}',
    )


def test_a_constraint_adds_pydantics_sentence_to_the_text_of_the_reference() -> None:
    assert_refused(
        UPDATE,
        {"imageId": ID, "prompt": "too long"},
        'Value does not match validator.\nPath: .prompt\nValue: "too long"\nValidator: v.string()\n'
        "String should have at most 5 characters",
    )
    assert_refused(
        LATEST,
        {"userId": ID, "limit": 2.0**60},
        "Value does not match validator.\nPath: .limit\nValue: 1.152921504606847e18\nValidator: v.float64()\n"
        "An int beyond ±(2^53 - 1) loses digits in JavaScript. Declare it as reactor.Int64, which is a BigInt there.",
    )


def test_a_constraint_inside_a_union_has_the_path_to_the_value() -> None:
    @query
    def nested(ctx: QueryCtx, x: list[dict[str, Annotated[int, Field(gt=0)]] | None]) -> None: ...

    with pytest.raises(
        ArgumentValidationError,
        match=r"Path: \.x\[1\]\.k\nValue: -1\.0\nValidator: v\.float64\(\)\nInput should be greater",
    ):
        define(nested).bind({"x": [None, {"k": -1}]})


def test_null_is_accepted_where_none_is_and_nowhere_else() -> None:
    assert UPDATE.bind({"imageId": ID, "card": None})["card"] is None
    refused: list[dict[str, Any]] = [{"imageId": ID, "prompt": None}, {"imageId": ID, "when": None}, {"imageId": None}]
    for args in refused:
        with pytest.raises(ArgumentValidationError, match="Value: null"):
            UPDATE.bind(args)


def test_ids_of_another_table_are_refused_when_the_catalog_is_at_hand() -> None:
    assert LATEST.bind({"userId": ID}, lambda _: "users")
    with pytest.raises(ArgumentValidationError, match="from table `images`, which does not match"):
        LATEST.bind({"userId": ID}, lambda _: "images")
    with pytest.raises(ArgumentValidationError, match=r'Validator: v\.id\("users"\)'):
        LATEST.bind({"userId": "nonsense"}, lambda _: None)


def test_a_call_written_in_python_is_put_into_wire_form() -> None:
    assert UPDATE.encode_args((ID,), {"prompt": UNSET, "note": None, "card": Card(title_text="t")}) == {
        "imageId": ID,
        "note": None,
        "card": {"titleText": "t"},
    }
    with pytest.raises(ArgumentValidationError, match="missing a required argument: 'image_id'"):
        UPDATE.encode_args((), {})
    with pytest.raises(ArgumentValidationError, match=r"Path: \.prompt"):
        UPDATE.encode_args((ID,), {"prompt": 3})


def test_pagination_options_are_an_argument() -> None:
    @query
    def page(ctx: QueryCtx, pagination_opts: PaginationOpts) -> Page[User]:
        raise NotImplementedError

    definition = define(page)
    bound = definition.bind({"paginationOpts": {"numItems": 5.0, "cursor": None, "endCursor": None, "id": -1.0}})
    assert bound == {"pagination_opts": PaginationOpts(num_items=5, cursor=None, id=-1)}
    encoded = definition.encode_result(Page([read(user())], True, "end"))
    assert encoded == b'{"continueCursor":"end","isDone":true,"page":[' + stored(user()) + b"]}"
    assert definition.decode_result(encoded) == Page([read(user())], True, "end")


def test_a_wrong_result_is_refused() -> None:
    @query
    def wrong(ctx: QueryCtx) -> Int64:
        raise NotImplementedError

    with pytest.raises(ReturnsValidationError, match=r"Value: 3\.0\nValidator: v\.int64\(\)"):
        define(wrong).encode_result(3)


# ── what is refused at load ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_is_no_argument_and_the_path_says_where() -> None:
    @mutation
    def deduct(ctx: MutationCtx, users: list[User]) -> None: ...

    with pytest.raises(
        DefinitionError, match=r"my_mod:deduct\.users\[\]: a document \(`User`\) is no argument: take its id"
    ):
        define(deduct)


def test_parameters_that_cannot_be_sent_are_refused() -> None:
    def no_ctx() -> None: ...
    def only_keywords(*, ctx: QueryCtx) -> None: ...
    def everything(ctx: QueryCtx, **kwargs: Any) -> None: ...
    def rest(ctx: QueryCtx, *args: Any) -> None: ...
    def positional(ctx: QueryCtx, x: int, /) -> None: ...
    def field(ctx: QueryCtx, x: int = Field(default=3, ge=1)) -> None: ...
    def unknown(ctx: QueryCtx, x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    expected = ["first parameter is the context", "first parameter is the context", "must set `__signature__`",
                "Name them", "positional-only", r"Annotated\[T, Field\(…\)\] = default", "`Nowhere` in an annotation"]  # fmt: skip
    for fn, message in zip(
        (no_ctx, only_keywords, everything, rest, positional, field, unknown), expected, strict=True
    ):
        with pytest.raises(DefinitionError, match=message):
            define(query(fn))  # type: ignore[arg-type]


def test_a_wrapper_that_injects_arguments_must_say_what_is_left() -> None:
    import inspect

    def with_user(fn: Any) -> Any:
        def inner(ctx: Any, **kwargs: Any) -> Any:
            return fn(ctx, user="u", **kwargs)

        return inner

    def greet(ctx: QueryCtx, user: User, word: str) -> str:
        return f"{word} {user}"

    with pytest.raises(DefinitionError, match="must set `__signature__`"):
        define(query(with_user(greet)))
    with pytest.raises(DefinitionError, match="is no argument"):
        define(query(functools.wraps(greet)(with_user(greet))))
    wrapped = with_user(greet)
    given = inspect.signature(greet, eval_str=True)
    wrapped.__signature__ = given.replace(
        parameters=[each for each in given.parameters.values() if each.name != "user"]
    )
    definition = define(query(wrapped))
    assert definition.fn("ctx", **definition.bind({"word": "hello"})) == "hello u"


def test_the_manifest_of_a_function() -> None:
    manifest = LATEST.manifest
    assert (manifest.path, manifest.python_path, manifest.kind, manifest.visibility) == (
        "myMod:latest", "my_mod:latest", "query", "public",
    )  # fmt: skip
    assert manifest.doc == "The newest images.\n\nOf one user."
    assert (manifest.args, manifest.returns) == (LATEST.args, LATEST.returns)
