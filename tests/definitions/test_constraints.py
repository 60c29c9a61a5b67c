"""What a field demands beyond its Validator is told by a text that only changes with it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from reactor import Table
from reactor.definitions.constraints import are_wider


def upper(value: str) -> str:
    assert value.isupper()
    return value


def upper_too(value: str) -> str:
    assert value.isupper() or not value
    return value


class Address(BaseModel):
    city: str
    zip: str = ""


class Plain(Table, name="plain"):
    text: str
    number: float
    tags: list[str] | None = None


class Bound(Table, name="bound"):
    text: Annotated[str, Field(max_length=10)]
    whole: int
    tags: list[Annotated[str, Field(min_length=1)]]
    at: datetime
    loud: Annotated[str, AfterValidator(upper)]
    louder: Annotated[str, AfterValidator(upper_too)]
    address: Address


def test_what_a_validator_tells_in_full_has_no_constraints() -> None:
    assert Plain.__definition__.constraints == {}


def test_bounds_and_validators_are_told_by_field() -> None:
    told = Bound.__definition__.constraints
    assert told["text"] == "bounds::max_length=10"
    assert told["whole"] == "bounds::int"
    assert "min_length=1" in told["tags"]
    assert told["loud"] != told["louder"], "the code of a validator is part of it"
    assert ".zip:default" in told["address"], "a field inside that may be missing"


def test_a_bound_may_go_and_nothing_else_may() -> None:
    assert are_wider("bounds::max_length=10", "")
    assert are_wider("bounds::int", "")
    assert are_wider("", "")
    assert not are_wider("", "bounds::max_length=10")
    assert not are_wider("bounds::max_length=10", "bounds::max_length=20"), "safe, not sharp"
    assert not are_wider(":function-after=upper#1", "")
    assert not are_wider(".zip:default", "")


def test_constant_defaults_are_known_by_their_wire_names() -> None:
    class Defaults(Table, name="defaults"):
        first_name: str | None = None
        is_open: bool = True
        tags: list[str] = Field(default_factory=list)
        status: str = "new"

    definition = Defaults.__definition__
    assert definition.defaults == {"isOpen": True, "status": "new"}
    assert definition.filled({"status": "old"}) == {"status": "old", "isOpen": True}
