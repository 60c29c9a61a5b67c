"""The image provider: OpenRouter's chat completions, asked for images. Plain helpers for actions."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self, cast

import httpx

from functions.constants import PROVIDER_TIMEOUT
from functions.failure import AttemptFailed
from schema import GenerationJob

OPENROUTER = "https://openrouter.ai/api/v1"
TRANSIENT = (408, 425, 429, 502, 503, 504)  # worth another try
USERS_FAULT = (400, 413, 422)  # this prompt, these sizes: the same again would fail again


@dataclass(frozen=True)
class Answer:
    """Where the pictures are (https: or data: URLs), and what they cost."""

    urls: list[str]
    cost_usd: float | None


@dataclass(frozen=True)
class Provider:
    """The provider as the environment describes it."""

    api_key: str
    base_url: str
    timeout: float  # seconds

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self | None:
        """None when there is no key: nothing can be generated."""
        api_key = env.get("OPENROUTER_API_KEY")
        if not api_key:
            return None
        milliseconds = env.get("OPENROUTER_TIMEOUT_MS", "")
        return cls(
            api_key=api_key,
            base_url=env.get("OPENROUTER_BASE_URL", OPENROUTER).rstrip("/"),
            timeout=int(milliseconds) / 1000 if milliseconds.isdecimal() else PROVIDER_TIMEOUT,
        )

    async def generate(self, client: httpx.AsyncClient, job: GenerationJob, count: int) -> Answer:
        """At most `count` pictures, at least one. Raises AttemptFailed."""
        try:
            response = await client.post(
                f"{self.base_url}/chat/completions",
                json=_request(job, count),
                headers={"authorization": f"Bearer {self.api_key}"},
                timeout=self.timeout,
            )
        except httpx.TimeoutException:
            raise AttemptFailed("The image provider did not answer in time", retry=True) from None
        except httpx.TransportError:
            raise AttemptFailed("The image provider could not be reached", retry=True) from None
        status = response.status_code
        if status != HTTPStatus.OK:
            raise AttemptFailed(
                f"The image provider answered {status}", retry=status in TRANSIENT, refund=status not in USERS_FAULT
            )
        try:
            return _answer(response.json(), count)
        except (ValueError, LookupError, TypeError):
            raise AttemptFailed("The image provider's answer could not be read", retry=False) from None


def _request(job: GenerationJob, count: int) -> dict[str, Any]:
    options = {
        "negative_prompt": job.negative_prompt,
        "steps": job.steps,
        "guidance_scale": job.guidance,
        "seed": job.seed,
    }
    return {
        "model": job.model,
        "messages": [{"role": "user", "content": job.prompt}],
        "modalities": ["image", "text"],
        "n": count,
        "width": job.width,
        "height": job.height,
        **{name: value for name, value in options.items() if value is not None},
    }


def _answer(body: Any, count: int) -> Answer:
    images = body["choices"][0]["message"]["images"]
    urls = [cast("str", image["image_url"]["url"]) for image in images][:count]
    if not urls:
        raise LookupError("no images")
    used: dict[str, Any] = body.get("usage") or {}
    cost = used.get("cost")
    return Answer(urls, float(cost) if isinstance(cost, int | float) else None)
