"""Pixorly's tables: an image generator with users, credits, jobs, collections and API keys."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from reactor import Id, Index, ScheduledFunction, SearchIndex, Table

Plan = Literal["free", "pro", "enterprise"]
SubscriptionStatus = Literal["active", "canceled", "past_due", "trialing"]
JobStatus = Literal["pending", "processing", "uploading", "completed", "failed"]
Scope = Literal["generate", "read", "write", "delete"]
Prompt = Annotated[str, Field(max_length=2000)]
CreditReason = Literal["grant", "generation", "refund", "plan", "adjustment"]
WebhookEvent = Literal[
    "generation.started", "generation.completed", "generation.failed", "credit.low", "credit.depleted"
]
DeliveryStatus = Literal["pending", "delivered", "failed"]


class Timestamped(Table):
    """What every table here has; not a table itself."""

    created_at: datetime
    updated_at: datetime


class User(Timestamped, name="users"):
    """A person known to Clerk, with a plan and credits to spend."""

    clerk_id: str
    email: str
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    profile_image: str | None = None
    plan: Plan = "free"
    credits: float
    stripe_customer_id: str | None = None
    stripe_subscription_id: str | None = None
    subscription_status: SubscriptionStatus | None = None
    trial_ends_at: datetime | None = None
    storage_used_bytes: int = 0
    storage_quota_bytes: int
    default_model: str | None = None
    email_notifications: bool = True

    by_clerk_id = Index("clerk_id")
    by_email = Index("email")
    by_plan = Index("plan")


class Image(Timestamped, name="images"):
    """A generated picture: its bytes lie in S3, everything else is here."""

    user_id: Id[User]
    generation_job_id: Id["GenerationJob"]
    prompt: Prompt
    negative_prompt: str | None = None
    model: str
    width: int
    height: int
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    s3_key: str
    s3_bucket: str
    cloud_front_url: str
    thumbnail_url: str | None = None
    blur_data_url: str | None = None
    file_size_bytes: int
    mime_type: str
    is_public: bool
    tags: list[str] | None = None
    views: int = 0
    downloads: int = 0
    is_flagged: bool = False
    flag_reason: str | None = None

    by_user = Index("user_id")
    by_user_created = Index("user_id", "created_at")
    by_job = Index("generation_job_id")
    by_model = Index("model")
    by_public = Index("is_public", "created_at")
    search_prompt = SearchIndex("prompt", filters=("user_id", "is_public"))


class GenerationJob(Timestamped, name="generationJobs"):
    """One order: a prompt, its price, and how far it has come."""

    user_id: Id[User]
    status: JobStatus
    prompt: Prompt
    negative_prompt: str | None = None
    model: str
    width: int
    height: int
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    num_images: int
    image_ids: list[Id[Image]] | None = None
    error: str | None = None
    retry_count: int = 0
    credits_used: float
    estimated_cost_usd: float | None = None
    processing_time_ms: float | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    by_user = Index("user_id")
    by_user_status = Index("user_id", "status")
    by_status = Index("status")
    by_created = Index("created_at")


class Collection(Timestamped, name="collections"):
    """Images put together by a user, perhaps with others, perhaps for everybody to see."""

    user_id: Id[User]
    name: str
    description: str | None = None
    cover_image_id: Id[Image] | None = None
    image_ids: list[Id[Image]]
    is_public: bool
    share_token: str | None = None
    collaborator_ids: list[Id[User]] | None = None

    by_user = Index("user_id")
    by_user_updated = Index("user_id", "updated_at")
    by_public = Index("is_public", "updated_at")
    by_share_token = Index("share_token")


class ApiKey(Timestamped, name="apiKeys"):
    """A key for programs. Only its hash is kept; `prefix` is what its owner is shown."""

    user_id: Id[User]
    name: str
    key_hash: str
    prefix: str
    scopes: list[Scope]
    rate_limit: int | None = None
    is_active: bool
    last_used_at: datetime | None = None
    total_requests: int = 0
    expires_at: datetime | None = None

    by_user = Index("user_id")
    by_key_hash = Index("key_hash")
    by_prefix = Index("prefix")


class Usage(Timestamped, name="usage"):
    """One user's counters for one day (UTC, `YYYY-MM-DD`)."""

    user_id: Id[User]
    date: str
    generations_count: int = 0
    generations_success: int = 0
    generations_failed: int = 0
    credits_used: float = 0
    model_usage: dict[str, int]
    storage_used_bytes: int = 0
    images_uploaded: int = 0
    images_deleted: int = 0
    api_requests_count: int = 0
    api_requests_success: int = 0
    api_requests_failed: int = 0
    estimated_cost_usd: float | None = None

    by_user = Index("user_id")
    by_user_date = Index("user_id", "date")
    by_date = Index("date")


# ── what the original planned or left out ─────────────────────────────────────────────────────────────────────────────


class GenerationRun(Table, name="generationRuns"):
    """The scheduled action that has to carry out a job which is not settled; a sweep sees by it that one has died."""

    job_id: Id[GenerationJob]
    scheduled_id: Id[ScheduledFunction]
    created_at: datetime

    by_job = Index("job_id")


class LooseObject(Table, name="looseObjects"):
    """An object in the bucket for which no image speaks: not yet, or no longer. Swept from `sweep_at` on."""

    s3_key: str
    s3_bucket: str
    sweep_at: datetime
    is_doomed: bool = False
    deletion_id: Id["AccountDeletion"] | None = None

    by_key = Index("s3_key")
    by_sweep = Index("s3_bucket", "sweep_at")


class CreditChange(Table, name="creditChanges"):
    """One movement of a user's credits. Their sum is the balance."""

    user_id: Id[User]
    amount: float
    balance: float
    reason: CreditReason
    job_id: Id[GenerationJob] | None = None
    note: str | None = None
    created_at: datetime

    by_user = Index("user_id")
    by_user_reason = Index("user_id", "reason")


class UserTotals(Table, name="userTotals"):
    """How much a user has, counted in the mutations that change it, so that nobody has to count rows."""

    user_id: Id[User]
    images: int = 0
    images_by_day: dict[str, int]  # of the last days, by the day (UTC) they were made
    generations: int = 0
    successful_generations: int = 0
    failed_generations: int = 0
    updated_at: datetime

    by_user = Index("user_id")


class Collaboration(Table, name="collaborations"):
    """A user who may add to another's collection: what `collaborator_ids` says, the other way round."""

    user_id: Id[User]
    collection_id: Id[Collection]
    created_at: datetime

    by_user = Index("user_id")
    by_collection = Index("collection_id", "user_id")


class AccountDeletion(Table, name="accountDeletions"):
    """A deleted user whose things are on their way out. The row goes last."""

    user_id: Id[User]
    clerk_id: str
    images_total: int
    images_deleted: int = 0
    documents_deleted: int = 0
    objects_left: int = 0
    rows_are_gone: bool = False
    created_at: datetime

    by_clerk_id = Index("clerk_id")


class RateCounter(Table, name="rateCounters"):
    """How often something happened since `window_start`."""

    user_id: Id[User]
    key: str
    window_start: datetime
    count: int

    by_user = Index("user_id")
    by_key = Index("key")


class ClerkEvent(Table, name="clerkEvents"):
    """A message from Clerk that was dealt with: another with the same id changes nothing."""

    svix_id: str
    type: str
    clerk_id: str
    created_at: datetime

    by_svix_id = Index("svix_id")
    by_clerk_id = Index("clerk_id", "type")
    by_type = Index("type", "created_at")


class StripeCustomer(Table, name="stripeCustomers"):
    """Whom a customer of Stripe's is."""

    user_id: Id[User]
    customer_id: str
    created_at: datetime

    by_user = Index("user_id")
    by_customer = Index("customer_id")


class StripeEvent(Table, name="stripeEvents"):
    """An event from Stripe that was dealt with: another with the same id changes nothing. `at` is Stripe's time of it."""

    event_id: str
    type: str
    customer_id: str
    object_id: str
    at: datetime
    created_at: datetime

    by_event_id = Index("event_id")
    by_customer = Index("customer_id")
    by_object = Index("object_id", "at")
    by_created = Index("created_at")


class Webhook(Timestamped, name="webhooks"):
    """An address that wants to hear of a user's events. `failures` counts attempts in a row that did not reach it."""

    user_id: Id[User]
    url: str
    events: list[WebhookEvent]
    secret: str
    is_active: bool = True
    failures: int = 0
    disabled_at: datetime | None = None

    by_user = Index("user_id")


class WebhookDelivery(Timestamped, name="webhookDeliveries"):
    """One event on its way to one address; the log of how that went. `payload` is the very text that is signed."""

    user_id: Id[User]
    webhook_id: Id[Webhook]
    event: WebhookEvent
    payload: str
    status: DeliveryStatus = "pending"
    attempts: int = 0
    response_status: int | None = None
    error: str | None = None
    next_attempt_at: datetime
    delivered_at: datetime | None = None

    by_user = Index("user_id")
    by_webhook = Index("webhook_id")
    by_status = Index("status", "next_attempt_at")
