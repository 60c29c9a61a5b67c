"""Invented users with invented images, so that there is something to look at. `make seed` calls this, user by user."""

from datetime import timedelta
from random import Random

from functions import ledger, totals
from functions.constants import PLAN_LIMITS, PRICES, price_of
from functions.users import existing_user
from reactor import Id, Model, MutationCtx, internal_mutation
from schema import Collection, GenerationJob, Image, Plan, Usage, User

DAYS = 90  # how far back the images go
BUCKET = "pixorly-seed"  # where they would lie

FIRST_NAMES = (
    "Ada",
    "Amir",
    "Bea",
    "Chen",
    "Dara",
    "Elif",
    "Femi",
    "Grace",
    "Hugo",
    "Ines",
    "Jun",
    "Kofi",
    "Lena",
    "Mina",
)
LAST_NAMES = ("Abe", "Blum", "Costa", "Diaz", "Eze", "Fuchs", "Gupta", "Haas", "Ito", "Jung", "Khan", "Lopez", "Meyer")
SUBJECTS = (
    "a lighthouse",
    "two foxes",
    "an old library",
    "a paper boat",
    "a mountain village",
    "a glass city",
    "一只猫",
)
SCENES = ("in the fog", "at dawn", "under northern lights", "after the rain", "on another planet", "in deep snow")
STYLES = ("watercolour", "oil painting", "35 mm photograph", "woodcut", "pixel art", "blueprint", "studio lighting")
TAGS = ("nature", "city", "portrait", "abstract", "night", "warm", "cold", "favourite")
SIZES = ((1024, 1024), (1024, 1024), (1536, 1024), (1024, 1536), (2048, 2048))


class Seeded(Model):
    """A user who is there now, and how many images were added."""

    user_id: Id[User]
    images: int


@internal_mutation
def add_user(ctx: MutationCtx, number: int, images: int) -> Seeded:
    """The user with this number and their images; one who is there already is left alone."""
    clerk_id = f"seed_{number:05}"
    user = ctx.db.query(User.by_clerk_id.eq(clerk_id)).unique()
    if user is not None:
        return Seeded(user_id=user.id, images=0)
    random = Random(number)  # noqa: S311 the same user always looks the same
    user_id = _insert_user(ctx, random, clerk_id, number)
    made = _insert_jobs(ctx, random, user_id, images, BUCKET)
    _insert_usage(ctx, user_id, made)
    if made:
        _insert_collection(ctx, random, user_id, made)
    _count(ctx, user_id, made)
    return Seeded(user_id=user_id, images=len(made))


@internal_mutation
def add_images(ctx: MutationCtx, user_id: Id[User], images: int, seed: int, bucket: str = BUCKET) -> Seeded:
    """More images for a user, all others staying as they are; other numbers in `seed` make others."""
    made = _insert_jobs(ctx, Random(seed), user_id, images, bucket)  # noqa: S311 as above
    _count(ctx, user_id, made)
    return Seeded(user_id=user_id, images=len(made))


def _count(ctx: MutationCtx, user_id: Id[User], made: list[Image]) -> None:
    jobs = len({image.generation_job_id for image in made})
    totals.images_added(ctx, user_id, [image.created_at for image in made])
    totals.jobs_changed(ctx, user_id, ordered=jobs, successful=jobs)
    used = existing_user(ctx, user_id).storage_used_bytes + sum(image.file_size_bytes for image in made)
    ctx.db.patch(user_id, storage_used_bytes=used)  # whatever the quota is


def _insert_user(ctx: MutationCtx, random: Random, clerk_id: str, number: int) -> Id[User]:
    plan: Plan = random.choices(("free", "pro", "enterprise"), (8, 3, 1))[0]
    limits = PLAN_LIMITS[plan]
    first_name, last_name = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    user_id = ctx.db.insert(
        User(
            clerk_id=clerk_id,
            email=f"{first_name}.{last_name}.{number}@example.com".lower(),
            first_name=first_name,
            last_name=last_name,
            username=f"{first_name}{number}".lower(),
            plan=plan,
            credits=limits.credits,
            storage_quota_bytes=limits.storage_bytes,
            created_at=ctx.now - timedelta(days=DAYS),
            updated_at=ctx.now,
        )
    )
    ledger.record(ctx, user_id, limits.credits, limits.credits, "grant")
    return user_id


def _insert_jobs(ctx: MutationCtx, random: Random, user_id: Id[User], images: int, bucket: str) -> list[Image]:
    """Completed jobs of one to four images each, the oldest first."""
    made: list[Image] = []
    hours = sorted(random.uniform(0, DAYS * 24) for _ in range(images))
    while hours:
        count = min(random.randint(1, 4), len(hours))
        made += _insert_job(ctx, random, user_id, hours_ago=hours[-count], count=count, bucket=bucket)
        del hours[-count:]
    return made


def _insert_job(
    ctx: MutationCtx, random: Random, user_id: Id[User], *, hours_ago: float, count: int, bucket: str
) -> list[Image]:
    at = ctx.now - timedelta(hours=hours_ago)
    model = random.choice(tuple(PRICES))
    width, height = random.choice(SIZES)
    prompt = f"{random.choice(SUBJECTS)} {random.choice(SCENES)}, {random.choice(STYLES)}"
    job_id = ctx.db.insert(
        GenerationJob(
            user_id=user_id,
            status="completed",
            prompt=prompt,
            model=model,
            width=width,
            height=height,
            num_images=count,
            credits_used=price_of(model, width, height, count),
            processing_time_ms=float(random.randint(2_000, 30_000)),
            started_at=at,
            completed_at=at,
            created_at=at,
            updated_at=at,
        )
    )
    images: list[Image] = []
    for _ in range(count):
        key = f"images/seed/{random.getrandbits(64):016x}.png"
        image = ctx.db.get(
            ctx.db.insert(
                Image(
                    user_id=user_id,
                    generation_job_id=job_id,
                    prompt=prompt,
                    model=model,
                    width=width,
                    height=height,
                    seed=random.getrandbits(31),
                    s3_key=key,
                    s3_bucket=bucket,
                    cloud_front_url=f"https://cdn.example.com/{key}",
                    file_size_bytes=random.randint(200_000, 4_000_000),
                    mime_type="image/png",
                    is_public=random.random() < 0.3,
                    tags=random.sample(TAGS, random.randint(1, 3)) if random.random() < 0.5 else None,
                    views=int(random.expovariate(1 / 40)),
                    downloads=int(random.expovariate(1 / 4)),
                    created_at=at,
                    updated_at=at,
                )
            )
        )
        assert image is not None
        images.append(image)
    ctx.db.patch(job_id, image_ids=[image.id for image in images])
    return images


def _insert_usage(ctx: MutationCtx, user_id: Id[User], images: list[Image]) -> None:
    """One row for each day with images."""
    days: dict[str, list[Image]] = {}
    for image in images:
        days.setdefault(image.created_at.strftime("%Y-%m-%d"), []).append(image)
    for date, of_day in days.items():
        jobs = {image.generation_job_id: image for image in of_day}
        model_usage: dict[str, int] = {}
        for image in jobs.values():
            model_usage[image.model] = model_usage.get(image.model, 0) + 1
        ctx.db.insert(
            Usage(
                user_id=user_id,
                date=date,
                generations_count=len(jobs),
                generations_success=len(jobs),
                credits_used=sum(price_of(image.model, image.width, image.height, 1) for image in of_day),
                model_usage=model_usage,
                storage_used_bytes=sum(image.file_size_bytes for image in of_day),
                images_uploaded=len(of_day),
                created_at=of_day[0].created_at,
                updated_at=of_day[-1].created_at,
            )
        )


def _insert_collection(ctx: MutationCtx, random: Random, user_id: Id[User], images: list[Image]) -> None:
    chosen = random.sample(images, min(len(images), 12))
    ctx.db.insert(
        Collection(
            user_id=user_id,
            name=f"Best of {random.choice(STYLES)}",
            cover_image_id=chosen[0].id,
            image_ids=[image.id for image in chosen],
            is_public=random.random() < 0.2,
            created_at=ctx.now,
            updated_at=ctx.now,
        )
    )
