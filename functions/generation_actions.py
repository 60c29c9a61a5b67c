"""What talks to the image provider and to the bucket: attempts at generations, and the sweep of objects left over."""

import asyncio
import base64
import binascii
import time
import uuid
from typing import NoReturn
from urllib.parse import unquote_to_bytes

import httpx

from functions import attempts, generations, loose_objects
from functions.constants import ATTEMPT_TIME, MAX_IMAGE_BYTES
from functions.failure import AttemptFailed
from functions.object_store import ObjectStore, thumbnail_key
from functions.pictures import NotAPicture, Picture
from functions.provider import Provider
from reactor import ActionCtx, AppError, Id, internal_action
from schema import GenerationJob, Image, LooseObject

NO_PROVIDER = "No image provider is configured on this server. Nothing was generated and your credits were returned."
NO_STORE = "No picture store is configured on this server. Nothing was generated and your credits were returned."
SWEPT_AT_ONCE = 500  # each with its thumbnail: as many as the store takes in one request


@internal_action
async def process_generation(ctx: ActionCtx, job_id: Id[GenerationJob], attempt: int = 0) -> None:
    """Make one attempt at a job. One that somebody else took, or that is settled, is left alone."""
    begun = await ctx.run_mutation(attempts.begin_attempt, job_id=job_id, attempt=attempt)
    if begun is None:
        return
    try:
        async with asyncio.timeout(ATTEMPT_TIME.total_seconds()):
            await _carry_out(ctx, begun)
        return
    except AttemptFailed as failure:
        ended = failure
    except TimeoutError:
        ended = AttemptFailed("The generation took too long", retry=True)
    except AppError as refused:  # by one of our mutations: no room left, or the job was settled meanwhile
        ended = AttemptFailed(str(refused.data), retry=False)
    await ctx.run_mutation(
        attempts.attempt_failed,
        job_id=job_id,
        attempt=attempt,
        error=str(ended),
        retry=ended.retry,
        refund=ended.refund,
    )


async def _carry_out(ctx: ActionCtx, begun: "attempts.Attempt") -> None:
    """From the provider into the bucket and the table. Raises AttemptFailed."""
    job, began = begun.job, time.monotonic()
    provider, store = Provider.from_env(ctx.env), ObjectStore.from_env(ctx.env)
    if provider is None:
        raise AttemptFailed(NO_PROVIDER, retry=False)
    if store is None:
        raise AttemptFailed(NO_STORE, retry=False)
    image_ids, cost = list(begun.image_ids), None
    async with httpx.AsyncClient(trust_env=False) as client:
        while len(image_ids) < job.num_images:
            answer = await provider.generate(client, job, job.num_images - len(image_ids))
            if answer.cost_usd is not None:
                cost = (cost or 0.0) + answer.cost_usd
            if not await ctx.run_mutation(
                generations.update_job_status, job_id=job.id, status="uploading", attempt=job.retry_count
            ):
                return
            for url in answer.urls:
                picture = _opened(await _download(client, url))
                image_ids.append(await _store(ctx, client, store, begun, picture))
    await ctx.run_mutation(
        generations.complete_generation,
        job_id=job.id,
        image_ids=image_ids,
        processing_time_ms=(time.monotonic() - began) * 1000,
        estimated_cost_usd=cost,
        attempt=job.retry_count,
    )


async def _store(
    ctx: ActionCtx, client: httpx.AsyncClient, store: ObjectStore, begun: "attempts.Attempt", picture: Picture
) -> Id[Image]:
    """Announce the object, write it and its thumbnail, and make its row. The quota is looked at before and after."""
    job = begun.job
    key = f"images/{begun.clerk_id}/{int(time.time() * 1000)}-{uuid.uuid4()}.{picture.extension}"
    if not await ctx.run_mutation(
        attempts.announce_upload,
        job_id=job.id,
        attempt=job.retry_count,
        s3_key=key,
        s3_bucket=store.bucket,
        file_size_bytes=len(picture.data),
    ):
        raise AttemptFailed("The attempt was given up", retry=False)
    await store.put(client, key, picture.data, picture.mime_type)
    await store.put(client, thumbnail_key(key), picture.thumbnail, "image/jpeg")
    return await ctx.run_mutation(
        generations.create_image,
        job_id=job.id,
        s3_key=key,
        s3_bucket=store.bucket,
        cloud_front_url=store.url(key),
        file_size_bytes=len(picture.data),
        mime_type=picture.mime_type,
        thumbnail_url=store.url(thumbnail_key(key)),
        blur_data_url=picture.blur_data_url,
        attempt=job.retry_count,
    )


# ── pictures on their way ─────────────────────────────────────────────────────────────────────────────────────────────


async def _download(client: httpx.AsyncClient, url: str) -> bytes:
    """The bytes behind an https: or a data: URL, unless there are too many. Raises AttemptFailed."""
    if url.startswith("data:"):
        return _decoded(url)
    try:
        async with client.stream("GET", url, follow_redirects=True) as response:
            if response.is_error:
                raise AttemptFailed(f"A picture answered {response.status_code}", retry=response.is_server_error)
            data = bytearray()
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) > MAX_IMAGE_BYTES:
                    _too_large()
            return bytes(data)
    except (httpx.TransportError, httpx.InvalidURL, httpx.TooManyRedirects):
        raise AttemptFailed("A picture could not be fetched", retry=True) from None


def _decoded(url: str) -> bytes:
    header, _, body = url.removeprefix("data:").partition(",")
    if len(body) > MAX_IMAGE_BYTES * 4 / 3 + 4:
        _too_large()
    try:
        return base64.b64decode(body, validate=True) if header.endswith(";base64") else unquote_to_bytes(body)
    except (binascii.Error, ValueError):
        raise AttemptFailed("A picture could not be read", retry=False) from None


def _too_large() -> NoReturn:
    raise AttemptFailed(f"A picture is larger than {MAX_IMAGE_BYTES >> 20} MB", retry=False)


def _opened(data: bytes) -> Picture:
    try:
        return Picture.read(data)
    except NotAPicture:
        raise AttemptFailed("What the image provider sent is no picture", retry=False) from None


# ── objects left over ─────────────────────────────────────────────────────────────────────────────────────────────────


@internal_action
async def sweep_objects(ctx: ActionCtx, ahead_seconds: float = 0) -> int:
    """Delete the objects that have no image. How many.

    An upload that may still be under way is left for ten minutes. `ahead_seconds` sweeps what would be swept so much
    later: for an operator who knows that nothing is under way.
    """
    store = ObjectStore.from_env(ctx.env)
    if store is None:
        return 0
    swept = 0
    async with httpx.AsyncClient(trust_env=False) as client:
        while claimed := await ctx.run_mutation(
            loose_objects.claim, bucket=store.bucket, limit=SWEPT_AT_ONCE, ahead_seconds=ahead_seconds
        ):
            done = await _deleted(client, store, claimed)
            await ctx.run_mutation(loose_objects.forget, ids=done)
            swept += len(done)
            if len(done) < len(claimed):
                break  # the store has trouble: the next sweep comes back to these
    return swept


async def _deleted(client: httpx.AsyncClient, store: ObjectStore, claimed: list[LooseObject]) -> list[Id[LooseObject]]:
    """Delete pictures and thumbnails. Which of them are gone."""
    keys = {loose.id: (loose.s3_key, thumbnail_key(loose.s3_key)) for loose in claimed}
    try:
        failed = await store.delete(client, [key for both in keys.values() for key in both])
    except AttemptFailed:
        return []
    return [each for each, both in keys.items() if failed.isdisjoint(both)]
