"""What type checkers must refuse: exactly the lines that are marked."""
# ruff: noqa: B018, PIE794

from datetime import timedelta

from calls import job_actions, jobs
from models import Image, Job, User

from reactor import (
    ActionCtx,
    Crons,
    HttpRouter,
    Id,
    Index,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    Request,
    Response,
    SyncActionCtx,
    Table,
    action,
    query,
)
from reactor.testing import TestBackend


def negative(ctx: MutationCtx, qctx: QueryCtx, actx: ActionCtx, uid: Id[User], iid: Id[Image], user: User) -> None:
    ctx.db.get("abc")  # N01 a plain str is no Id
    x: User | None = ctx.db.get(iid)  # N02 wrong table
    qctx.db.insert(user)  # N03 a query cannot write
    qctx.db.patch(uid, credits=1)  # N04
    User(clerk_id="x")  # N05 missing fields
    User(clerk_id=1, email="e", created_at=ctx.now, updated_at=ctx.now)  # N06 wrong type
    User(clerk_id="x", email="e", created_at=ctx.now, updated_at=ctx.now, emial="x")  # N07 unknown field
    user.credits = 5  # N08 frozen
    user.nonsense  # N09
    user.by_clerk_id  # N10 an index through an instance
    ctx.db.query(Image.by_usr)  # N11 no such index
    ctx.db.query(Image.by_user_created.gt(1).eq(2))  # N12 eq after a bound
    ctx.db.query(Image.by_user_created.gt(1).gt(2))  # N13 two lower bounds
    ctx.db.query(Image.search_prompt("x")).order("desc")  # N14 a search has its own order
    ctx.db.query(Image).order("down")  # N15
    ctx.run_query(jobs.start, width=1)  # N16 a mutation as a query
    ctx.run_query(jobs.get)  # N17 missing argument
    ctx.run_query(jobs.get, job_id=uid)  # N18 wrong id
    ctx.run_query(jobs.get, job_id=Id[Job]("x"), z=1)  # N19 extra
    ctx.scheduler.run_after(0, jobs.get, job_id=Id[Job]("x"))  # N20 scheduling a query
    ctx.scheduler.run_after(0, job_actions.process, job=1)  # N21
    ctx.scheduler.run_after(0, job_actions.process(actx, Id[Job]("x")))  # N22 called instead of named
    jobs.start(qctx, width=1)  # N23 a mutation with a query's ctx
    Job(user_id=iid, status="pending", width=1, created_at=ctx.now, updated_at=ctx.now)  # N24 wrong Id
    Job(user_id=uid, status="odd", width=1, created_at=ctx.now, updated_at=ctx.now)  # N25
    ctx.db.replace(uid, Image.model_construct())  # N26 replaced by another table's document
    y: Page[User] = jobs.gallery(ctx, PaginationOpts(num_items=1, cursor=None))  # N27
    uid2: Id[User] = iid  # N28
    ctx.db.query(Image.by_embedding.nearest("text"))  # N56 no vector
    ctx.db.query(Image.by_embedding.nearest([1.0])).order("desc")  # N57 the nearest come first
    ctx.db.query(Image.by_embedding)  # N58 nearest to what?
    ctx.vector_search(Image.by_embedding.nearest([1.0]))  # N59 for actions
    Image.by_embedding.close_to([1.0])  # N60
    print(x, y, uid2)


@query  # N29
def writes(ctx: MutationCtx) -> None: ...  # N29 a query that asks for a MutationCtx


def awaiting(ctx: QueryCtx) -> None:
    ctx.run_query(awaits) + 1  # N30 an async query gives nobody an int


def filing(ctx: QueryCtx, write: MutationCtx, sync: SyncActionCtx, user_id: Id[User]) -> None:
    ctx.storage.store(b"x")  # N61 a query stores nothing
    ctx.storage.get_url(user_id)  # N62 the id of something else
    write.storage.store("text")  # N63 a text is no bytes
    with open("text") as text:
        sync.storage.store(text)  # N64 nor is a text file


@query
async def awaits(ctx: QueryCtx) -> int:
    return 1


@query  # N31
def no_ctx() -> int:
    return 1


@action  # N32 a plain action with ActionCtx
def plain(ctx: ActionCtx) -> int:
    return 1


class Bad(Table, name="bad"):
    email: str
    email = Index("email")  # N34 an index hides a field
    json: str  # N35 shadows BaseModel


def blocking(ctx: SyncActionCtx) -> None:
    ctx.run_mutation(jobs.get, job_id=Id[Job]("x"))  # N36 a query as a mutation


def assigned(page: Page[User]) -> None:
    page.is_done = True  # N41 pages are frozen
    Image.by_public.lt(1).lt(2)  # N42 two upper bounds
    Index()  # N43 an index has fields


http = HttpRouter()


@http.route("/a")  # N44
async def asks_for_too_much(ctx: SyncActionCtx, request: Request) -> Response:  # N44 an async handler that would block
    return Response()


@http.route("/b")  # N45
async def answers_nothing(ctx: ActionCtx, request: Request) -> None: ...  # N45 no response


http.route("/c", prefix="/c/")  # N46 both


crons = Crons()
crons.interval("a", 5, jobs.start, width=3)  # N51 a number is no interval
crons.interval("b", timedelta(minutes=5), jobs.start, width="3")  # N52 an argument of another type
crons.hourly("c", 5, jobs.get, job_id=Id[Job]("x"))  # N53 a query
crons.weekly("d", "Sunday", 5, jobs.start, width=3)  # N54 no day of the week


@action(concurrency="shared")  # N55 a plain action cannot share a loop
def shared_and_blocking(ctx: SyncActionCtx) -> int:
    return 1


def in_tests(backend: TestBackend, job_id: Id[Job]) -> None:
    backend.query(jobs.start, width=3)  # N61 a mutation as a query
    backend.mutation(jobs.start, wdith=3)  # N62 no such argument
    backend.subscribe(jobs.get)  # N63 missing argument
    backend.as_user("ann").action(job_actions.blocking, job_id="x")  # N64 a plain str is no Id
