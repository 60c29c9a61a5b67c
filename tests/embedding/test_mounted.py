"""reactor under FastAPI: a real uvicorn with each of its WebSocket implementations, the real npm client, one process.

What our own server adds on its transport (server/websocket_protocol.py) is not there: every frame goes through plain ASGI.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.typed import reactor
from tests.clients.clients import Client, Driver, node_driver
from tests.clients.node import node_executable, packages_folder
from tests.support import Project, eventually, free_port
from tests.type_checkers import refused_by_mypy, refused_by_pyright

START_TIME = 60.0  # FastAPI, uvicorn and the project's processes, on a busy machine
SCHEMA = """
    from reactor import Index, Table

    class Message(Table, name="messages"):
        room: str
        text: str
        by_room = Index("room")
"""
CHAT = """
    from reactor import AppError, Id, MutationCtx, QueryCtx, internal_mutation, mutation, query
    from schema import Message

    @query
    def latest(ctx: QueryCtx, room: str) -> list[Message]:
        return ctx.db.query(Message.by_room.eq(room)).collect()

    @query
    def large(ctx: QueryCtx, room: str) -> str:
        return "x" * 1000 * 6000 if ctx.db.query(Message.by_room.eq(room)).first() else ""

    @query
    def me(ctx: QueryCtx) -> str | None:
        identity = ctx.auth.get_user_identity()
        return None if identity is None else identity.subject

    @mutation
    def send(ctx: MutationCtx, room: str, text: str) -> Id[Message]:
        if not text:
            raise AppError({"code": "empty"})
        return ctx.db.insert(Message(room=room, text=text))

    @internal_mutation
    def clear(ctx: MutationCtx, room: str) -> int:
        found = ctx.db.query(Message.by_room.eq(room)).collect()
        for message in found:
            ctx.db.delete(message.id)
        return len(found)
"""
HTTP = """
    import asyncio
    from collections.abc import AsyncIterator
    from functions import chat
    from reactor import ActionCtx, HttpRouter, JSONResponse, Request, Response, StreamingResponse

    http = HttpRouter()

    @http.route("/rooms/{room}")
    async def room(ctx: ActionCtx, request: Request) -> Response:
        found = await ctx.run_query(chat.latest, room=request.path_params["room"])
        return JSONResponse({"texts": [each.text for each in found], "path": request.url.path})

    @http.route("/half")
    async def half(ctx: ActionCtx, request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"x" * 100
            raise RuntimeError("in the middle")
        return StreamingResponse(parts())
"""
MAIN = """
    import os
    from collections.abc import Mapping

    import reactor
    from fastapi import FastAPI, HTTPException
    from functions import chat
    from reactor import AppError, Id
    from schema import Message

    backend = reactor.asgi(dev="DEV" in os.environ, url=os.environ.get("URL", "http://127.0.0.1:8000/reactor"))
    app = FastAPI(lifespan=backend.lifespan)
    app.mount("/reactor", backend)

    @app.get("/messages/{room}")
    async def messages(room: str) -> list[str]:
        found: list[Message] = await backend.query(chat.latest, room=room)
        return [message.text for message in found]

    @app.post("/messages/{room}")
    async def send(room: str, text: str) -> Mapping[str, str]:
        try:
            sent: Id[Message] = await backend.mutation(chat.send, room=room, text=text)
        except AppError as error:
            raise HTTPException(422, error.data) from error
        return {"id": sent}

    @app.delete("/messages/{room}")
    async def clear(room: str) -> int:
        return await backend.mutation(chat.clear, room=room)

    @app.get("/me/{name}")
    async def me(name: str) -> list[str | None]:
        return [await backend.as_user(name).query(chat.me), await backend.query("chat:me")]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project", schema=SCHEMA, functions={"chat": CHAT, "http": HTTP})
    made.write("main.py", MAIN)
    return made


@pytest.fixture(scope="module")
def driver(pytestconfig: pytest.Config) -> Iterator[Driver]:
    driver = node_driver(node_executable(), packages_folder(Path(pytestconfig.cache.mkdir("node"))))
    yield driver
    driver.close()


class Uvicorn:
    """uvicorn as a user starts it, until the block ends."""

    def __init__(self, project: Project, application: str = "main:app", *options: str, dev: bool = False) -> None:
        self.port = free_port()
        self._environment = {"DEV": "1"} if dev else {}
        self.url = f"http://127.0.0.1:{self.port}"
        self._project = project
        self._command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "uvicorn",
            application,
            "--port",
            str(self.port),
            *options,
        ]

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command,
            cwd=self._project.root,
            env={**os.environ, "URL": f"{self.url}/reactor", **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        process = self.start()
        try:
            if not eventually(self._answers, START_TIME):
                process.kill()
                raise AssertionError(process.communicate()[0])
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(START_TIME)
            if process.poll() is None:
                process.kill()
            process.communicate()

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/openapi.json").status_code in (200, 404)
        return False


def texts(value: Any) -> list[str]:
    return [message["text"] for message in value]


@pytest.mark.parametrize("implementation", ["websockets-sansio", "websockets", "wsproto"])
def test_clients_and_the_application_share_one_live_state(
    project: Project, driver: Driver, implementation: str
) -> None:
    server = Uvicorn(project, "main:app", "--ws", implementation)
    with server.running(), httpx.Client(base_url=server.url) as http:
        client = Client(driver, f"{server.url}/reactor", "live")
        live = client.subscribe("chat:latest", {"room": "a"})
        assert live.next() == []
        assert http.post("/messages/a", params={"text": "from FastAPI"}).status_code == 200
        assert texts(live.next()) == ["from FastAPI"]
        client.mutation("chat:send", {"room": "a", "text": "from JavaScript"})
        assert texts(live.next()) == ["from FastAPI", "from JavaScript"]
        assert http.get("/messages/a").json() == ["from FastAPI", "from JavaScript"]
        assert len(client.query("chat:large", {"room": "a"})) == 6_000_000
        refused = http.post("/messages/a", params={"text": ""})
        assert (refused.status_code, refused.json()) == (422, {"detail": {"code": "empty"}})
        assert http.get("/me/ann").json() == ["ann", None]
        assert http.delete("/messages/a").json() == 2
        assert live.next() == []
        assert client.connections == 1
        client.close()


def test_http_works_below_the_mount(project: Project, driver: Driver) -> None:
    """Reference §2.1, §2.2, §2.5, at a path of somebody else's."""
    server = Uvicorn(project)
    with server.running(), httpx.Client(base_url=server.url) as http:
        client = Client(driver, f"{server.url}/reactor", "http")
        client.mutation("chat:send", {"room": "é b", "text": "x"})
        assert texts(client.query("chat:latest", {"room": "é b"})) == ["x"]
        assert http.get("/reactor/http/rooms/%C3%A9%20b").json() == {"texts": ["x"], "path": "/rooms/%C3%A9%20b"}
        assert http.get("/reactor/http/nowhere").text == "No HttpAction routed for /nowhere"
        assert http.get("/reactor/nowhere").json()["code"] == "NotFound"
        answer = http.post("/reactor/api/query", json={"path": "chat:me", "args": {}}, headers={"Origin": "http://x"})
        assert answer.headers["access-control-allow-origin"] == "http://x"
        assert http.get("/openapi.json").json()["paths"].keys() == {"/messages/{room}", "/me/{name}"}
        beside = reactor(project.root, "run", "chat:latest", '{"room": "é b"}')
        assert texts(json.loads(beside.stdout)) == ["x"], beside.stderr
        with pytest.raises(httpx.RemoteProtocolError):
            http.get("/reactor/http/half")
    assert not (project.data / "address").exists()


def test_a_second_worker_is_refused_with_a_sentence(project: Project) -> None:
    server = Uvicorn(project)
    with server.running():
        second = Uvicorn(project).start()
        said, _ = second.communicate(timeout=START_TIME)
        assert second.returncode != 0
        assert "Another server is using this database" in said
        assert "a second worker of this very application: run one" in said
        assert httpx.get(f"{server.url}/messages/a").json() == []


def test_a_stop_is_clean_and_the_client_finds_the_next_server(project: Project, driver: Driver) -> None:
    server = Uvicorn(project)
    with server.running() as process:
        client = Client(driver, f"{server.url}/reactor", "live")
        live = client.subscribe("chat:latest", {"room": "a"})
        client.mutation("chat:send", {"room": "a", "text": "1"})
        live.wait_until(lambda value: texts(value) == ["1"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_TIME) in (0, -signal.SIGTERM)
        assert not (project.data / "runtime").exists()
    with server.running(), httpx.Client(base_url=server.url) as http:
        http.post("/messages/a", params={"text": "2"})
        live.wait_until(
            lambda value: texts(value) == ["1", "2"], START_TIME
        )  # it tries again at longer and longer intervals
        assert client.connections == 2
        client.close()


def test_in_development_a_save_is_live_and_errors_are_told(project: Project, driver: Driver) -> None:
    server = Uvicorn(project, dev=True)
    with server.running(), httpx.Client(base_url=server.url) as http:
        client = Client(driver, f"{server.url}/reactor", "live")
        live = client.subscribe("chat:me")
        assert live.next() is None
        project.write_function(
            "chat", CHAT.replace("return None if identity is None", "return 'new' if identity is None")
        )
        assert live.next() == "new"
        assert (project.generated / "api.d.ts").exists()
        failed = http.post("/reactor/api/run/chat/latest", json={"args": {}}).json()
        assert "missing the required field `room`" in failed["errorMessage"]
        described = http.get("/reactor/api/openapi.json").json()
        assert described["servers"] == [{"url": "/reactor"}]
        client.close()


def test_it_is_an_application_by_itself_too(project: Project) -> None:
    server = Uvicorn(project, "main:backend")
    with server.running():
        found = httpx.post(f"{server.url}/api/run/chat/latest", json={"args": {"room": "a"}}).json()
        assert found == {"status": "success", "value": []}


def test_code_that_does_not_load_stops_the_application(project: Project) -> None:
    project.write_function("broken", "from schema import Nothing")
    said, _ = Uvicorn(project).start().communicate(timeout=START_TIME)
    assert "cannot import name 'Nothing' from 'schema'" in said
    assert "Application startup failed" in said


IN_PROCESS = """
    import asyncio
    from fastapi.testclient import TestClient
    import reactor
    from functions import chat
    from main import app, backend

    def not_started(call):
        try:
            call()
        except RuntimeError as error:
            assert "reactor is mounted but not started" in str(error), error
        else:
            raise AssertionError("it answered")

    not_started(lambda: TestClient(app).get("/messages/a"))
    not_started(lambda: TestClient(app).get("/reactor/version"))
    for life in range(2):
        with TestClient(app) as client:
            client.post("/messages/a", params={"text": str(life)})
            assert client.get("/messages/a").json() == [str(each) for each in range(life + 1)]
    try:
        reactor.asgi("/nowhere")
    except Exception as error:
        assert "neither a schema.py nor a folder functions/ in /nowhere" in str(error), error

    async def own_lifespan() -> None:
        async with backend.lifespan():
            assert [m.text for m in await backend.query(chat.latest, room="a")] == ["0", "1"]
            assert len(await asyncio.gather(*(backend.query(chat.latest, "a") for _ in range(20)))) == 20
            try:
                async with backend.lifespan():
                    pass
            except RuntimeError as error:
                assert "runs already" in str(error)

    asyncio.run(own_lifespan())
    print("done")
"""


def test_it_lives_in_tests_of_the_application_and_in_lifespans_of_its_own(project: Project) -> None:
    project.write("trial.py", IN_PROCESS)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "trial.py"],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr


def test_calls_are_typed(project: Project) -> None:
    project.write(
        "wrong.py",
        """
        from functions import chat
        from main import backend

        async def calls() -> None:
            await backend.query(chat.latest)
            await backend.query(chat.latest, room=1)
            await backend.query(chat.send, room="a", text="b")
            await backend.as_user("ann").mutation(chat.send, rom="a", text="b")
            print(await backend.mutation(chat.clear, room="a") + "x")
        """,
    )
    assert refused_by_mypy("main.py", folder=project.root) == []
    assert [line for file, line, _ in refused_by_mypy("wrong.py", folder=project.root)] == [5, 6, 7, 8, 9]
    assert refused_by_pyright("main.py", folder=project.root) == []
    assert {line for file, line, _ in refused_by_pyright("wrong.py", folder=project.root)} == {5, 6, 7, 8, 9}
