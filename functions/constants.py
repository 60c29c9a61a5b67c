"""Plans, prices and bounds: the numbers of the business."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from schema import Plan

GIB = 1 << 30


@dataclass(frozen=True)
class PlanLimits:
    """What a plan includes; credits are granted once a month."""

    credits: float
    storage_bytes: int
    api_access: bool = False
    webhooks: bool = False
    collaboration: bool = False
    generations_per_hour: int | None = None
    api_requests_per_day: int | None = None


PLAN_LIMITS: dict[Plan, PlanLimits] = {
    "free": PlanLimits(credits=10, storage_bytes=1 * GIB),
    "pro": PlanLimits(
        credits=500,
        storage_bytes=100 * GIB,
        api_access=True,
        webhooks=True,
        generations_per_hour=50,
        api_requests_per_day=1000,
    ),
    "enterprise": PlanLimits(
        credits=2000,
        storage_bytes=500 * GIB,
        api_access=True,
        webhooks=True,
        collaboration=True,
        generations_per_hour=1000,
    ),
}

# Credits for one image of at most a megapixel. The cheap models are what ten free credits can buy.
PRICES: dict[str, float] = {
    "flux-pro": 100,
    "flux-max": 120,
    "flux-flex": 80,
    "flux-klein": 40,
    "riverflow-fast": 30,
    "riverflow-standard": 50,
    "riverflow-max": 90,
    "seedream": 25,
    "openai/dall-e-3": 5,
    "midjourney": 4,
    "stability-ai/sdxl": 3,
    "openai/dall-e-2": 2,
    "stable-diffusion": 1,
}
UNKNOWN_MODEL_PRICE: float = 50

# The names OpenRouter gives the same models.
ALIASES = {
    "black-forest-labs/flux.2-pro": "flux-pro",
    "black-forest-labs/flux.2-max": "flux-max",
    "black-forest-labs/flux.2-flex": "flux-flex",
    "black-forest-labs/flux.2-klein-4b": "flux-klein",
    "sourceful/riverflow-v2-fast-preview": "riverflow-fast",
    "sourceful/riverflow-v2-standard-preview": "riverflow-standard",
    "sourceful/riverflow-v2-max-preview": "riverflow-max",
    "bytedance-seed/seedream-4.5": "seedream",
}

MEGAPIXEL = 1_048_576
DEFAULT_WIDTH = DEFAULT_HEIGHT = 1024
DEFAULT_STEPS = 30
DEFAULT_GUIDANCE = 7.5
DEFAULT_NUM_IMAGES = 1

MAX_PROMPT = 2000  # characters
MIN_SIDE, MAX_SIDE = 256, 2048  # pixels
MAX_IMAGES = 4  # of one job
MAX_ACTIVE_JOBS = 10  # of one user

# Carrying out a job.
ATTEMPT_TIME = timedelta(minutes=5)  # an attempt that lasts longer is given up
MAX_RETRIES = 3  # after the first attempt, unless OPENROUTER_MAX_RETRIES says otherwise
RETRY_DELAY = 2.0  # seconds before the first retry; each further one waits twice as long
PROVIDER_TIMEOUT = 120.0  # seconds, unless OPENROUTER_TIMEOUT_MS says otherwise
STORE_TIMEOUT = 60.0  # seconds
MAX_IMAGE_BYTES = 50 << 20
MAX_PIXELS = 8192 * 8192  # of a picture we open
UPLOAD_GRACE = timedelta(minutes=10)  # an object without a row is swept no sooner: its attempt is over by then
SIGNED_URL_SECONDS = 3600

THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 400, 80
BLUR_SIDE = 10

# Warnings: below this part of what the plan grants, credits are low.
LOW_CREDITS = 0.1

# Webhooks to users' servers.
DELIVERY_TIMEOUT = 10.0  # seconds
DELIVERY_DELAYS = (5.0, 30.0, 300.0, 1800.0)  # seconds before each further attempt; then the delivery has failed
MAX_FAILURES = 10  # attempts in a row that failed; then the webhook is disabled
MAX_WEBHOOKS = 10  # of one user

MAX_API_KEYS = 20  # of one user

MAX_COLLECTIONS = 200  # of one user
MAX_COLLECTION_IMAGES = 500
MAX_COLLECTION_NAME, MAX_COLLECTION_DESCRIPTION = 100, 1000  # characters
MAX_COLLABORATORS = 20  # of one collection

RECENT_DAYS = 30  # that the dashboard tells apart from all days


def price_of(model: str, width: int, height: int, num_images: int) -> float:
    """The credits a job costs: an image above a megapixel costs as many times more, rounded up."""
    each = PRICES.get(ALIASES.get(model, model), UNKNOWN_MODEL_PRICE)
    pixels = width * height
    if pixels > MEGAPIXEL:
        each = ceil(each * pixels / MEGAPIXEL)
    return each * num_images
