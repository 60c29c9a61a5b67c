from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.requests import Request
from starlette.responses import Response

from reactor import ActionCtx, internal_mutation
from reactor.definitions.cron import Crons
from reactor.definitions.http import HttpRouter
from reactor.errors import DefinitionError


@internal_mutation
def sweep(ctx: object, limit: int) -> None: ...


async def hello(ctx: ActionCtx, request: Request) -> Response:
    return Response("hello")


def test_a_router_collects_routes() -> None:
    http = HttpRouter()
    assert http.route("/hook", methods=("POST", "put"))(hello) is hello
    assert [(route.method, route.pattern.text) for route in http.routes] == [("POST", "/hook"), ("PUT", "/hook")]
    with pytest.raises(DefinitionError, match="POST /hook is declared twice"):
        http.route("/hook", methods=("POST",))(hello)
    with pytest.raises(DefinitionError, match="must start with"):
        http.route("hook")


def test_crons_collect_jobs() -> None:
    crons = Crons()
    crons.interval("sweep", timedelta(minutes=5), sweep, limit=3)
    crons.cron("nightly", "0 3 * * *", sweep, 4)
    assert crons.jobs["sweep"].kwargs == {"limit": 3}
    assert crons.jobs["nightly"].args == (4,)
    with pytest.raises(DefinitionError, match="declared twice"):
        crons.interval("sweep", timedelta(minutes=5), sweep, limit=3)
    with pytest.raises(DefinitionError, match="greater than zero"):
        crons.interval("never", timedelta(0), sweep, limit=3)
    with pytest.raises(DefinitionError, match="five fields"):
        crons.cron("odd", "* *", sweep, 3)
