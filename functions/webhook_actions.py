"""What calls users' servers. Signed as Standard Webhooks says, so that their libraries verify it."""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from functions import webhooks
from functions.constants import DELIVERY_TIMEOUT
from reactor import ActionCtx, Id, internal_action
from schema import WebhookDelivery


@internal_action
async def deliver(ctx: ActionCtx, delivery_id: Id[WebhookDelivery]) -> None:
    """Make one attempt at a delivery, and write down how it went."""
    parcel = await ctx.run_query(webhooks.get_parcel, delivery_id=delivery_id)
    if parcel is None:
        await ctx.run_mutation(webhooks.drop_delivery, delivery_id=delivery_id)
        return
    status: int | None = None
    error: str | None = None
    try:
        async with asyncio.timeout(DELIVERY_TIMEOUT):
            if not private_addresses_allowed(ctx.env):
                await _refuse_private(parcel.url)
            headers = signature_headers(parcel.secret, delivery_id, ctx.now, parcel.payload)
            async with httpx.AsyncClient(timeout=DELIVERY_TIMEOUT, follow_redirects=False, trust_env=False) as client:
                # Only the status matters: what they say is not read, however long it is.
                request = client.build_request("POST", parcel.url, content=parcel.payload, headers=headers)
                response = await client.send(request, stream=True)
                status = response.status_code
                await response.aclose()
        if not httpx.codes.is_success(status):
            error = f"answered {status}"
    except (TimeoutError, httpx.TimeoutException):
        error = "no answer in time"
    except (OSError, httpx.TransportError, httpx.InvalidURL) as failure:
        error = f"could not be reached: {failure}"
    await ctx.run_mutation(webhooks.record_attempt, delivery_id=delivery_id, response_status=status, error=error)


def signature_headers(secret: str, id: str, now: datetime, payload: str) -> dict[str, str]:
    """The headers of a Standard Webhook. `secret` is `whsec_` and base64."""
    seconds = int(now.timestamp())
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{id}.{seconds}.{payload}".encode(), hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def private_addresses_allowed(env: Mapping[str, str]) -> bool:
    """Whether webhooks may go to http: and to this machine's own network: while developing, never in production."""
    return env.get("PIXORLY_PRIVATE_WEBHOOKS") == "allow"


async def _refuse_private(url: str) -> None:
    """A user must not make this server call its neighbours. Raises OSError."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    for *_, address in await loop.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM):
        if not ipaddress.ip_address(address[0]).is_global:
            raise OSError("the address is not public")
