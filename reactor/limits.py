"""Every number reactor enforces, with its reason, in one frozen record.

Defaults are Convex's (reference §3.3, §4.6) unless the comment says otherwise. A limit is passed in, never read from
the environment midway; `[tool.reactor.limits]` of the project's pyproject.toml overrides one by its name here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, durations in seconds, unless the name says otherwise."""

    # values (reference §3.3)
    value_nesting: int = 64
    document_nesting: int = 16
    array_length: int = 8192
    object_fields: int = 1024
    field_name_length: int = 1024
    identifier_length: int = 64
    document_size: int = 1 << 20
    arguments_size: int = 16 << 20
    result_size: int = 16 << 20

    # one function run (reference §4.6)
    documents_read: int = 32_000
    bytes_read: int = 16 << 20
    index_ranges: int = 4096
    vector_results: int = 256  # of one search for the nearest (reference §4.13)
    search_candidates: int = 1024  # documents a text search examines, and so the most it can give
    search_filters: int = 8  # conditions of one text search
    documents_written: int = 16_000
    bytes_written: int = 16 << 20
    functions_scheduled: int = 1000
    scheduled_argument_size: int = 4 << 20  # of one scheduled call
    scheduled_arguments_size: int = 16 << 20
    nested_calls: int = 8  # through actions too
    nested_concurrency: int = 1000  # calls one action may wait for at once
    log_lines: int = 256
    log_line_length: int = 32_768

    # environment values (reference §4.11)
    environment_variables: int = 512
    environment_name_length: int = 256
    environment_value_size: int = 8 << 10
    environment_size: int = 512 << 10

    # time (engine B1): CPU of user code, then the wall clock the server enforces
    function_cpu: float = 1.0
    function_cpu_grace: float = 0.2  # from the Python exception to the kernel's kill, for code stuck inside C
    mutation_wall: float = 2.0  # the writer is shared: shorter than a query's
    query_wall: float = 15.0
    action_wall: float = 1800.0
    shared_stall: float = 10.0  # seconds one shared action may hold up the others
    import_wall: float = 30.0  # loading schema.py and functions/

    # memory: past it user code gets MemoryError, and the machine lives (engine B3)
    runner_memory: int = 2 << 30  # what a runner may take beyond the code it was forked with

    # the writer and readers (engine A, B5, C4)
    batch_calls: int = 256  # calls in one COMMIT: past this the fsync is already amortised
    batch_time: float = 0.005  # a batch is committed when it has run this long
    readers: int = 2
    reader_batch_time: float = 1.0  # a reader's batch starts no further query after this
    wal_soft: int = 16 << 20  # checkpoint when idle above this
    wal_hard: int = 64 << 20  # hold readers back for one round above this

    # queues, each with its answer (engine D10)
    socket_queries: int = 1000  # watched by one socket: one Transition moves all of them; past it, a FatalError
    socket_mutations: int = 1000  # per socket → close 1013 TooManyConcurrentMutations
    socket_actions: int = 1000  # per socket → TooManyInflightActionsForSingleClient
    slow_mutation_share: float = 0.1  # of the writer's time for a mutation that takes long, while others are called too
    slow_mutation_burst: float = 2.0  # seconds of it at once; a user has half of both
    writer_queue: int = 20_000  # calls → Overloaded ExpiredInQueue
    reader_queue: int = 50_000  # calls → Overloaded TooManyConcurrentRequests
    action_runners: int = 64  # forks busy at once, then actions wait; as many more at each depth of ctx.run_action
    action_queue: int = 10_000  # → Overloaded TooManyConcurrentRequests
    scheduled_parallelism: int = 8

    # sockets (engine D4, reference §1.10)
    socket_message: int = (16 << 20) + 65_536  # largest client frame: arguments and their envelope
    socket_backlog: int = 256 << 10  # answers waiting for a slow reader → close 1013
    socket_stall: float = 30.0  # a socket that takes nothing for so long is cut
    socket_silence: float = 120.0
    ping_interval: float = 15.0
    connect_wait: float = 10.0  # from the upgrade to Connect

    # tokens and the keys they are verified with (reference §4.10)
    token_size: int = 16_384  # characters of a token
    token_leeway: float = 5.0  # by which clocks of issuers may differ from ours
    token_lifetime: float = 366 * 86_400.0  # longest from `iat` to `exp`; Convex has none
    keys_age: float = 600.0  # keys are fetched again after this: how late a withdrawn key is noticed
    keys_age_offline: float = 3600.0  # … unless the issuer cannot be reached
    keys_refetch: float = 30.0  # an unknown key name makes us look again no sooner, nor does a failed fetch
    keys_wait: float = 5.0  # for an issuer's answer, all of it
    keys_size: int = 65_536  # bytes of an issuer's answer

    # HTTP routes (reference §2.5)
    http_request: int = 20 << 20  # a request's body → 413
    http_response: int = 20 << 20  # a response's body → HttpResponseTooLarge
    http_window: int = 1 << 20  # of a response on its way to a slow client; its handler waits above this
    http_stall: float = 30.0  # a client that takes nothing of a response for so long is cut
    http_bodies: int = 256 << 20  # request bodies a listener holds at once → 503

    # code pushed to a server
    deploy_size: int = 32 << 20  # packed, and again unpacked: sources are small, and held in memory
    deploy_files: int = 10_000

    # guesses of the admin key
    admin_failures: int = 10  # of one address within a minute → 429 TooManyAuthFailures

    # files (reference §2.6); Convex names no size
    file_size: int = 1 << 30  # of an upload, and of what an action stores or gets → 413
    file_stall: float = 30.0  # an upload of which nothing arrives for so long is given up
    file_uploads: int = 256  # under way at once → 503
    file_token_life: float = 3600.0  # of an upload URL, as Convex's
    file_orphan_age: float = 7200.0  # blobs no file belongs to by then go: what was uploaded and never committed
    mutation_file_bytes: int = 16 << 20  # one mutation may store and get: the writer waits for the disk meanwhile

    # what is imported (reliability: archives come from anywhere)
    import_size: int = 16 << 30  # of the file that is sent
    import_unpacked: int = 64 << 30  # of all it holds
    import_ratio: int = 100  # unpacked to packed, once more than 64 MiB are unpacked: past it a bomb
    import_entries: int = 1_000_000  # files in an archive
    import_line: int = 16 << 20  # of one document's JSON; six characters may stand for one byte
    import_uploads: int = 16  # sent and not yet imported
    export_life: float = 3600.0  # how long an export can be fetched

    # memory of what happened
    vector_memory: int = 1 << 30  # vectors one process keeps in memory; a larger index is read again by every search
    write_log_bytes: int = 64 << 20
    write_log_age: float = 300.0
    log_retention: float = 3600.0 * 24  # durable commit log
    job_retention: float = 7 * 86_400.0  # scheduled functions, from their end on
    session_requests: int = 1000  # kept per session (engine A13)
    session_retention: float = 14 * 86_400.0

    # the stored log of function calls, for people; never in the way of a call
    call_log_bytes: int = 64 << 20
    call_log_age: float = 7 * 86_400.0
    call_log_rate: int = 2000  # quiet successes a second that are kept; failures and calls that printed always are


DEFAULT_LIMITS = Limits()


def setting(name: str) -> str:
    """The end of every text that tells of a limit passed."""
    return f"The setting is `{name}` in [tool.reactor.limits]."
