"""The deployment's own HTTP interface: Clerk's and Stripe's webhooks, and the REST API for users' programs (Bearer API keys)."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError

from functions import api_keys, clerk, generations, images, stripe, stripe_signature
from functions.constants import (
    DEFAULT_GUIDANCE,
    DEFAULT_HEIGHT,
    DEFAULT_NUM_IMAGES,
    DEFAULT_STEPS,
    DEFAULT_WIDTH,
    PRICES,
)
from reactor import (
    ActionCtx,
    AppError,
    HttpRouter,
    Id,
    JSONResponse,
    PaginationOpts,
    Request,
    Response,
    WebhookError,
    verify_webhook,
)
from schema import GenerationJob, Image, Scope, User

http = HttpRouter()

MAX_PAGE = 100
EVENTS = ("user.created", "user.updated", "user.deleted")


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        self.response = JSONResponse({"error": {"code": code, "message": message}}, status, headers)


# ── Clerk ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class ClerkMessage(BaseModel):
    """A message of Clerk's that concerns us."""

    type: Literal["user.created", "user.updated", "user.deleted"]
    data: dict[str, Any]


@http.route("/clerk-webhook", methods=("POST",))
async def clerk_webhook(ctx: ActionCtx, request: Request) -> Response:
    """Users come, change and go. Signed over the raw body, and each message counts once."""
    secret = ctx.env.get("CLERK_WEBHOOK_SECRET")
    if not secret:
        return Response("CLERK_WEBHOOK_SECRET is not set", 500)
    try:
        event = verify_webhook(secret, request.headers, await request.body(), now=ctx.now)
    except WebhookError as error:
        return Response(str(error), 400)
    content = event.json()
    if not isinstance(content, dict) or content.get("type") not in EVENTS:  # pyright: ignore[reportUnknownMemberType]
        return Response(status_code=204)  # of no interest; an error would only make Clerk send it again
    message = ClerkMessage.model_validate(content)
    await ctx.run_mutation(clerk.handle_event, svix_id=event.id, type=message.type, data=message.data)
    return Response(status_code=204)


# ── Stripe ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class AnyEvent(BaseModel):
    """Whatever Stripe tells."""

    type: str


class StripeData(BaseModel):
    """What the event is about: a checkout session or a subscription."""

    object: dict[str, Any]


class StripeMessage(BaseModel):
    """An event of Stripe's that concerns us."""

    id: str
    type: stripe.EventType
    created: float
    data: StripeData


@http.route("/stripe-webhook", methods=("POST",))
async def stripe_webhook(ctx: ActionCtx, request: Request) -> Response:
    """Subscriptions begin, change and end. Signed over the raw body, and each event counts once."""
    secret = ctx.env.get("STRIPE_WEBHOOK_SECRET")
    if not secret:
        return Response("STRIPE_WEBHOOK_SECRET is not set", 500)
    body = await request.body()
    try:
        stripe_signature.verify(secret, request.headers.get("stripe-signature", ""), body, ctx.now)
    except WebhookError as error:
        return Response(str(error), 400)
    if AnyEvent.model_validate_json(body).type not in get_args(stripe.EventType):
        return Response(status_code=204)  # of no interest; an error would only make Stripe send it again
    event = StripeMessage.model_validate_json(body)
    try:
        await ctx.run_mutation(
            stripe.handle_event, event_id=event.id, type=event.type, created=event.created, data=event.data.object
        )
    except AppError as error:
        return Response(str(error.data), 409)  # not known yet: Stripe sends it again
    return Response(status_code=204)


# ── the REST API ──────────────────────────────────────────────────────────────────────────────────────────────────────


class GenerateRequest(BaseModel):
    """The body of `POST /api/v1/generate`."""

    prompt: str
    model: str
    negative_prompt: Annotated[str | None, Field(alias="negativePrompt")] = None
    width: int = DEFAULT_WIDTH
    height: int = DEFAULT_HEIGHT
    steps: int = DEFAULT_STEPS
    guidance: float = DEFAULT_GUIDANCE
    seed: int | None = None
    num_images: Annotated[int, Field(alias="numImages")] = DEFAULT_NUM_IMAGES


class ImagesRequest(BaseModel):
    """The query string of `GET /api/v1/images`."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 20
    cursor: str | None = None


Handler: TypeAlias = Callable[[ActionCtx, Request, Id[User]], Coroutine[Any, Any, Response]]


def api(path: str, scope: Scope, *, method: str = "GET") -> Callable[[Handler], Handler]:
    """Let the decorated function answer programs whose API key has the scope; it is told whose program calls."""

    def add(handler: Handler) -> Handler:
        @http.route(path, methods=(method,))
        async def answer(ctx: ActionCtx, request: Request) -> Response:
            try:
                return await handler(ctx, request, await _caller(ctx, request, scope))
            except Refused as refused:
                return refused.response

        return handler

    return add


@api("/api/v1/generate", "generate", method="POST")
async def generate(ctx: ActionCtx, request: Request, user_id: Id[User]) -> Response:
    """Order images: 202, and where to ask how far they are."""
    order = _parsed(GenerateRequest, await request.body())
    try:
        started = await ctx.run_mutation(generations.place_order, user_id=user_id, **order.model_dump())
    except AppError as error:
        await ctx.run_mutation(api_keys.note_failure, user_id=user_id)
        raise _refusal(error) from None
    where = f"/api/v1/status/{started.job_id}"
    body = {
        "jobId": started.job_id,
        "status": "pending",
        "statusUrl": where,
        "creditsUsed": started.credits_used,
        "creditsRemaining": started.credits_remaining,
    }
    return JSONResponse(body, 202)


@api("/api/v1/status/{job_id}", "read")
async def status(ctx: ActionCtx, request: Request, user_id: Id[User]) -> Response:
    """How far a job is."""
    job = await ctx.run_query(generations.get_job_of_user, user_id=user_id, job_id=request.path_params["job_id"])
    return JSONResponse(_job_json(_found(job, "job")))


@api("/api/v1/images", "read")
async def list_images(ctx: ActionCtx, request: Request, user_id: Id[User]) -> Response:
    """The caller's images, the newest first; `cursor` is the `nextCursor` of the page before."""
    wanted = _parsed(ImagesRequest, dict(request.query_params))
    opts = PaginationOpts(num_items=wanted.limit, cursor=wanted.cursor)
    try:
        page = await ctx.run_query(images.page_of_user, user_id=user_id, pagination_opts=opts)
    except AppError:
        raise Refused(400, "invalid_request", "The cursor is not one of this list: begin without one") from None
    cursor = None if page.is_done else page.continue_cursor
    return JSONResponse({"images": [_image_json(image) for image in page.page], "nextCursor": cursor})


@api("/api/v1/images/{image_id}", "read")
async def get_image(ctx: ActionCtx, request: Request, user_id: Id[User]) -> Response:
    """One of the caller's images."""
    image = await ctx.run_query(images.get_of_user, user_id=user_id, image_id=request.path_params["image_id"])
    return JSONResponse(_image_json(_found(image, "image")))


@api("/api/v1/images/{image_id}", "delete", method="DELETE")
async def delete_image(ctx: ActionCtx, request: Request, user_id: Id[User]) -> Response:
    """Delete one of the caller's images."""
    image_id: str = request.path_params["image_id"]
    deleted = await ctx.run_mutation(images.delete_of_user, user_id=user_id, image_id=image_id)
    _found(deleted or None, "image")
    return Response(status_code=204)


@api("/api/v1/models", "read")
async def list_models(_ctx: ActionCtx, _request: Request, _user_id: Id[User]) -> Response:
    """What can be ordered, and what an image of a megapixel costs."""
    return JSONResponse({"models": [{"id": model, "credits": price} for model, price in PRICES.items()]})


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

Body = TypeVar("Body", bound=BaseModel)
Found = TypeVar("Found")

_REFUSALS = {
    "unknown": (401, "unauthorized", "The API key is unknown, revoked or expired"),
    "plan": (403, "forbidden", "API access is not part of your plan"),
    "scope": (403, "forbidden", "The API key has not the scope for this"),
    "rate": (429, "rate_limited", "Too many requests"),
}


async def _caller(ctx: ActionCtx, request: Request, scope: Scope) -> Id[User]:
    """Whose program calls, counted against its limits. Raises Refused."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise Refused(401, "unauthorized", "Send your API key: Authorization: Bearer px_…")
    use = await ctx.run_mutation(api_keys.use_api_key, key=key.strip(), scope=scope)
    if use.refused is not None or use.user_id is None:
        status, code, message = _REFUSALS[use.refused or "unknown"]
        raise Refused(status, code, message, retry_after=use.retry_after)
    return use.user_id


def _parsed(model: type[Body], given: bytes | dict[str, str]) -> Body:
    """A body or a query string, checked. Raises Refused, with every mistake."""
    try:
        return model.model_validate_json(given) if isinstance(given, bytes) else model.model_validate(given)
    except ValidationError as error:
        mistakes = (f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['msg']}" for each in error.errors())
        raise Refused(400, "invalid_request", "; ".join(mistakes)) from None


def _refusal(error: AppError) -> Refused:
    """What an order was refused for, as HTTP says it."""
    match error.data:
        case {"code": "rateLimited", "message": str(message), "retryAfter": int() | float() as seconds}:
            return Refused(429, "rate_limited", message, retry_after=int(seconds))
        case "Insufficient credits":
            return Refused(402, "insufficient_credits", "Insufficient credits")
        case text:
            busy = str(text).startswith("At most")
            return Refused(429 if busy else 400, "too_many_jobs" if busy else "invalid_request", str(text))


def _found(thing: Found | None, what: str) -> Found:
    if thing is None:
        raise Refused(404, "not_found", f"There is no such {what}")
    return thing


def _job_json(job: GenerationJob) -> dict[str, Any]:
    return {
        "jobId": job.id,
        "status": job.status,
        "prompt": job.prompt,
        "model": job.model,
        "imageIds": job.image_ids or [],
        "error": job.error,
        "creditsUsed": job.credits_used,
        "createdAt": job.created_at.isoformat(),
        "completedAt": None if job.completed_at is None else job.completed_at.isoformat(),
    }


def _image_json(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "jobId": image.generation_job_id,
        "prompt": image.prompt,
        "model": image.model,
        "width": image.width,
        "height": image.height,
        "url": image.cloud_front_url,
        "thumbnailUrl": image.thumbnail_url,
        "blurDataUrl": image.blur_data_url,
        "mimeType": image.mime_type,
        "bytes": image.file_size_bytes,
        "isPublic": image.is_public,
        "tags": image.tags or [],
        "createdAt": image.created_at.isoformat(),
    }
