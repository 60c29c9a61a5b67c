"""HTTP routes as users write them, with reactor's Request or Starlette's own."""

from typing import assert_type

import starlette.requests
import starlette.responses
from calls import jobs

from reactor import (
    ActionCtx,
    HttpRouter,
    Id,
    JSONResponse,
    Request,
    Response,
    StreamingResponse,
    SyncActionCtx,
    Webhook,
    verify_webhook,
)

http = HttpRouter()


@http.route("/jobs/{job_id}", methods=("GET", "DELETE"))
async def job(ctx: ActionCtx, request: Request) -> Response:
    found = await ctx.run_query(jobs.get, Id(request.path_params["job_id"]))
    return JSONResponse({"found": found is not None})


@http.route(prefix="/plain/")
def plain(ctx: SyncActionCtx, request: Request) -> StreamingResponse:
    return StreamingResponse(iter([request.raw_body]))


@http.route("/starlette")
async def theirs(ctx: ActionCtx, request: starlette.requests.Request) -> starlette.responses.HTMLResponse:
    return starlette.responses.HTMLResponse(await request.body())


@http.route("/hook", methods=["POST"])
async def hook(ctx: ActionCtx, request: Request) -> Response:
    webhook = verify_webhook(ctx.env["SECRET"], request.headers, request.raw_body, now=ctx.now)
    assert_type(webhook, Webhook)
    return Response(status_code=204)


async def calls_another(ctx: ActionCtx, request: Request) -> Response:
    return await job(ctx, request)
