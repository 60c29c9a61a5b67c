"""Pixorly as its users have it: a real server, the npm client, Clerk's tokens, a provider, a bucket (acceptance list)."""

from __future__ import annotations

import base64
import itertools
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.clients.clients import CallFailed
from tests.clients.conftest import Clients
from tests.pixorly.served import Site, pixorly_served

ORDER: dict[str, Any] = {"prompt": "two foxes", "model": "stable-diffusion"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    cloud_front = {"AWS_CLOUDFRONT_DOMAIN": "cdn.example.com", "AWS_CLOUDFRONT_KEY_PAIR_ID": "K123"}
    with pixorly_served(tmp_path_factory.mktemp("pixorly"), cloud_front) as running:
        yield running


def test_1_a_signed_creation_makes_the_user(site: Site) -> None:
    """More of it, with a clock that turns: test_routes.py."""
    assert site.user("one") is None
    assert site.hear_of("one", spoil=b" ") == 400
    assert site.user("one") is None
    assert site.hear_of("one", svix_id="msg_one") == 204
    user = site.user("one")
    assert user is not None
    assert (user["email"], user["credits"]) == ("one@example.com", 10)
    assert site.hear_of("one", "user.deleted", svix_id="msg_one") == 204, "the same message again, whatever it says"
    assert site.user("one") == user


def test_2_two_browsers_see_a_job_through_all_its_states_and_the_balance_with_it(clients: Clients, site: Site) -> None:
    site.sign_up("two")
    site.sign_up("queue")
    gates = (site.world.provider.gate, site.world.store.gate)
    browsers = [site.browser(clients, "two", views=True) for _ in range(2)]
    users = [browser.subscribe("users:getCurrentUser") for browser in browsers]
    lists = [browser.subscribe("generations:listGenerationJobs") for browser in browsers]
    for each in (*users, *lists):
        each.next()
    for gate in gates:
        gate.close()
    site.browser(clients, "queue").mutation("generations:createGenerationJob", ORDER)  # somebody is before them
    asked = len(site.world.provider.requests)
    started = browsers[0].mutation("generations:createGenerationJob", {**ORDER, "numImages": 2})
    assert (started["creditsUsed"], started["creditsRemaining"]) == (2, 8)
    jobs = [browser.subscribe("generations:getGenerationJob", {"jobId": started["jobId"]}) for browser in browsers]

    def all_see(status: str) -> None:
        for job in jobs:
            job.wait_until(lambda value: value["status"] == status)

    all_see("pending")
    gates[1].let(2)  # the other's image and thumbnail
    gates[0].let(1)  # the other's request
    site.world.provider.wait_until(lambda: len(site.world.provider.requests) > asked + 1)
    all_see("processing")
    gates[0].open()
    all_see("uploading")
    gates[1].open()
    all_see("completed")
    for job in jobs:
        statuses = [status for status, _ in itertools.groupby(value["status"] for value in job.results)]
        assert statuses == ["pending", "processing", "uploading", "completed"]
    for browser, user, listed in zip(browsers, users, lists, strict=True):
        seen = [
            (view.values[user.label]["credits"], sum(job["creditsUsed"] for job in view.values[listed.label]))
            for view in browser.views
            if view.values.get(user.label) and isinstance(view.values.get(listed.label), list)
        ]
        assert {(10, 0), (8, 2)} == set(seen), "the balance and the job change in one transition"


def test_3_two_browsers_that_order_at_once_cannot_overspend(clients: Clients, site: Site) -> None:
    """One credit too few for both. The 1,000 interleavings: test_ledger.py."""
    site.sign_up("three")
    site.world.provider.gate.close()
    orders = [
        site.browser(clients, "three").begin_mutation("generations:createGenerationJob", {**ORDER, "numImages": images})
        for images in (3, 4, 4)
    ]
    spent, refused = 0.0, []
    for order in orders:
        try:
            spent += order.result()["creditsUsed"]
        except CallFailed as failed:
            refused.append(failed.data)
    user = site.user("three")
    assert user is not None
    assert refused == ["Insufficient credits"]
    assert user["credits"] == 10 - spent >= 0
    site.world.provider.gate.open()


def test_6_a_private_image_shows_up_in_an_open_subscription_when_it_is_shown(clients: Clients, site: Site) -> None:
    site.sign_up("six")
    site.sign_up("guest")
    owner, guest = site.browser(clients, "six"), site.browser(clients, "guest")
    job = owner.subscribe("generations:listGenerationJobs")
    owner.mutation("generations:createGenerationJob", ORDER)
    (done,) = job.wait_until(lambda jobs: jobs and jobs[0]["status"] == "completed")
    image = {"imageId": done["imageIds"][0]}
    seen = guest.subscribe("generations:getImage", image)
    assert seen.wait_until_failed().data == "Unauthorized"
    owner.mutation("images:updateImage", {**image, "isPublic": True})
    assert seen.wait_until(lambda value: value is not None)["prompt"] == "two foxes"
    owner.mutation("images:updateImage", {**image, "isPublic": False})
    assert seen.wait_until_failed().data == "Unauthorized"


def test_7_a_search_by_prompt_finds_ones_own_images_live_in_any_script_and_while_one_types(
    clients: Clients, site: Site
) -> None:
    site.sign_up("seven")
    site.sign_up("neighbour")
    mine, other = site.browser(clients, "seven"), site.browser(clients, "neighbour")
    cats = mine.subscribe("images:searchImages", {"text": "黒い猫"})
    typing = mine.subscribe("images:searchImages", {"text": "sunset la"})
    public = mine.subscribe("images:searchImages", {"text": "sunset", "isPublic": True})
    theirs = other.subscribe("images:searchImages", {"text": "sunset"})
    for each in (cats, typing, public, theirs):
        assert each.next() == []
    mine.mutation("generations:createGenerationJob", {**ORDER, "prompt": "夜の黒い猫の写真"})
    mine.mutation("generations:createGenerationJob", {**ORDER, "prompt": "a large sunset"})
    other.mutation("generations:createGenerationJob", {**ORDER, "prompt": "their sunset"})
    assert cats.wait_until(lambda found: len(found) == 1)[0]["prompt"] == "夜の黒い猫の写真"
    (image,) = typing.wait_until(lambda found: len(found) == 1)
    assert image["prompt"] == "a large sunset"
    assert [each["prompt"] for each in theirs.wait_until(bool)] == ["their sunset"]
    mine.mutation("images:updateImage", {"imageId": image["_id"], "isPublic": True})
    assert [each["_id"] for each in public.wait_until(bool)] == [image["_id"]]
    mine.mutation("images:deleteImage", {"imageId": image["_id"]})
    assert typing.wait_until(lambda found: found == []) == []
    assert public.wait_until(lambda found: found == []) == []
    assert [each["prompt"] for each in other.query("images:searchImages", {"text": "sunset"})] == ["their sunset"]


def test_11_one_key_at_200_requests_a_second_has_no_conflicts(clients: Clients, site: Site) -> None:
    """The answers of every kind: test_routes.py."""
    site.sign_up("eleven", "pro")
    owner = site.browser(clients, "eleven")
    key = owner.mutation("apiKeys:createApiKey", {"name": "load", "scopes": ["generate", "read"]})
    keys = owner.subscribe("apiKeys:listApiKeys")
    headers = {"authorization": f"Bearer {key['key']}"}
    began = time.time()
    with httpx.Client(headers=headers, trust_env=False, timeout=30) as http, ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: http.get(f"{site.url}/api/v1/models").status_code, range(200)))
        ordered = http.post(f"{site.url}/api/v1/generate", json=ORDER)
        assert ordered.status_code == 202
        where = ordered.json()["statusUrl"]
        assert http.get(f"{site.url}{where}").json()["prompt"] == "two foxes"
    assert answers == [200] * 200
    (shown,) = keys.wait_until(lambda rows: rows[0]["totalRequests"] == 202)
    assert began * 1000 <= shown["lastUsedAt"] <= time.time() * 1000


def test_12_a_users_server_hears_of_a_generation(clients: Clients, site: Site) -> None:
    """Retries, disabling and redelivery, with a clock that turns: test_webhooks.py."""
    site.sign_up("twelve", "pro")
    owner = site.browser(clients, "twelve")
    events = ["generation.started", "generation.completed"]
    made = owner.mutation("webhooks:registerWebhook", {"url": site.world.receiver.hook, "events": events})
    owner.mutation("generations:createGenerationJob", ORDER)
    site.world.receiver.wait_until(lambda: len(site.world.receiver.received) == 2)
    assert sorted(each.event["type"] for each in site.world.receiver.received) == sorted(events)
    assert all(each.is_signed_with(made["secret"]) for each in site.world.receiver.received)


def test_13_a_token_that_expires_is_replaced_and_nobody_looks_signed_out(clients: Clients, site: Site) -> None:
    """The token looks long-lived to the client, as after a laptop's sleep; the server is who notices."""
    site.sign_up("thirteen")
    seen = threading.Event()
    another = site.clerk.token("thirteen", jti="another")
    answers = site.clerk.with_a_brief_one("thirteen", seen, another)
    client = clients.js(site.server)
    client.sign_in(site.tokens("thirteen", lambda: next(answers)))
    client.wait_until_signed_in()
    me, jobs = client.subscribe("users:getCurrentUser"), client.subscribe("generations:listGenerationJobs")
    assert (me.next()["clerkId"], jobs.next()) == ("thirteen", [])
    seen.set()
    client.wait_for_wire("AuthError")
    place = client.driver.place()
    client.mutation("users:updateUserSettings", {"defaultModel": "seedream"})
    me.wait_until(lambda user: user.get("defaultModel") == "seedream")
    assert client.driver.place() > place
    assert all(user is not None and user["clerkId"] == "thirteen" for user in me.results)
    assert not any(isinstance(result, CallFailed) for result in jobs.results)
    assert set(client.signed_in) == {True}


# ── acceptance 14 ─────────────────────────────────────────────────────────────────────────────────────────────────────


def env(site: Site, *arguments: str, given: bytes = b"") -> bytes:
    """`reactor env` as an operator types it beside the running server; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "reactor.cli", "env", *arguments],
        cwd=site.server.project.root,
        input=given,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_14_the_key_of_cloudfront_keeps_its_bytes_and_signs_at_once(
    clients: Clients, site: Site, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    file = tmp_path / "cloudfront.pem"
    file.write_bytes(pem)
    env(site, "set", "AWS_CLOUDFRONT_PRIVATE_KEY", "--from-file", str(file))
    from_file = env(site, "list")
    assert env(site, "get", "AWS_CLOUDFRONT_PRIVATE_KEY") == pem
    env(site, "set", "AWS_CLOUDFRONT_PRIVATE_KEY", given=pem)
    env(site, "set", given=from_file)
    assert env(site, "list") == from_file, "from stdin, alone and with all others, it is the same"

    site.sign_up("fourteen")
    browser = site.browser(clients, "fourteen")
    jobs = browser.subscribe("generations:listGenerationJobs")
    browser.mutation("generations:createGenerationJob", ORDER)
    (done,) = jobs.wait_until(lambda value: value and value[0]["status"] == "completed")
    signed = urlsplit(browser.action("images:createDownloadUrl", {"imageId": done["imageIds"][0]}))
    query = {name: values[0] for name, values in parse_qs(signed.query).items()}
    resource = f"https://cdn.example.com{signed.path}"
    policy = {
        "Statement": [{"Resource": resource, "Condition": {"DateLessThan": {"AWS:EpochTime": int(query["Expires"])}}}]
    }
    signature = base64.b64decode(query["Signature"].translate(str.maketrans("-_~", "+=/")))
    text = json.dumps(policy, separators=(",", ":")).encode()
    key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA1())


# ── acceptance 5 ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_5_a_server_killed_while_uploading_finishes_the_job_once(clients: Clients, tmp_path: Path) -> None:
    with pixorly_served(tmp_path / "pixorly") as site:
        store = site.world.store
        site.sign_up("five")
        browser = site.browser(clients, "five")
        store.gate.close()
        started = browser.mutation("generations:createGenerationJob", {**ORDER, "numImages": 2})
        job = browser.subscribe("generations:getGenerationJob", {"jobId": started["jobId"]})
        store.wait_until(lambda: store.puts)  # the object lies in the bucket; its row does not exist
        job.wait_until(lambda value: value["status"] == "uploading")
        site.server.kill()
        store.gate.open()
        site.server.start()
        site.call("mutation", "attempts:recoverStuckJobs")  # a cron does so every minute
        done = job.wait_until(lambda value: value["status"] == "completed", timeout=20)
        assert (done["retryCount"], len(done["imageIds"])) == (1, 2)
        user = site.user("five")
        assert user is not None
        assert user["credits"] == 10 - started["creditsUsed"]
        assert site.call("mutation", "attempts:recoverStuckJobs") == 0

        images = [browser.query("generations:getImage", {"imageId": image}) for image in done["imageIds"]]
        assert len(store.keys("images")) == 3, "one of the attempt that was killed"
        assert site.call("action", "generationActions:sweepObjects", aheadSeconds=3600) == 1
        assert store.keys("images") == sorted(image["s3Key"] for image in images)
        assert store.keys("thumbnails") == sorted(site.world.unquoted(image["thumbnailUrl"]) for image in images)
        statuses = [status for status, _ in itertools.groupby(value["status"] for value in job.results)]
        assert re.fullmatch(
            r"(pending )?(processing )?uploading (pending )?(processing )?(uploading )?completed", " ".join(statuses)
        )
