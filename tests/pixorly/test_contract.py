"""What a front end written for the original relies on: names and types on the wire, and who may call what."""

from __future__ import annotations

import pytest

from codegen import typescript
from codegen.type_text import TypeText
from reactor.definitions.manifest import Manifest, TableManifest
from tests.codegen.compiler import Compiler
from tests.pixorly.application import ROOT

# Table → fields ("?" = optional), then indexes. Types: s string, n number, b boolean, "table" an id, […] an array.
TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "users": (
        (
            "clerkId s, email s, firstName? s, lastName? s, username? s, profileImage? s, plan free|pro|enterprise, "
            "credits n, stripeCustomerId? s, stripeSubscriptionId? s, "
            "subscriptionStatus? active|canceled|past_due|trialing, trialEndsAt? n, storageUsedBytes n, "
            "storageQuotaBytes n, defaultModel? s, emailNotifications b, createdAt n, updatedAt n"
        ),
        {"by_clerk_id": "clerkId", "by_email": "email", "by_plan": "plan"},
    ),
    "images": (
        (
            "userId <users>, generationJobId <generationJobs>, prompt s, negativePrompt? s, model s, width n, height n, "
            "steps? n, guidance? n, seed? n, s3Key s, s3Bucket s, cloudFrontUrl s, thumbnailUrl? s, blurDataUrl? s, "
            "fileSizeBytes n, mimeType s, isPublic b, tags? [s], views n, downloads n, isFlagged b, flagReason? s, "
            "createdAt n, updatedAt n"
        ),
        {
            "by_user": "userId",
            "by_user_created": "userId createdAt",
            "by_job": "generationJobId",
            "by_model": "model",
            "by_public": "isPublic createdAt",
        },
    ),
    "generationJobs": (
        (
            "userId <users>, status pending|processing|uploading|completed|failed, prompt s, negativePrompt? s, model s, "
            "width n, height n, steps? n, guidance? n, seed? n, numImages n, imageIds? [<images>], error? s, retryCount n, "
            "creditsUsed n, estimatedCostUsd? n, processingTimeMs? n, createdAt n, startedAt? n, completedAt? n, "
            "updatedAt n"
        ),
        {"by_user": "userId", "by_user_status": "userId status", "by_status": "status", "by_created": "createdAt"},
    ),
    "collections": (
        (
            "userId <users>, name s, description? s, coverImageId? <images>, imageIds [<images>], isPublic b, "
            "shareToken? s, collaboratorIds? [<users>], createdAt n, updatedAt n"
        ),
        {
            "by_user": "userId",
            "by_user_updated": "userId updatedAt",
            "by_public": "isPublic updatedAt",
            "by_share_token": "shareToken",
        },
    ),
    "apiKeys": (
        (
            "userId <users>, name s, keyHash s, prefix s, scopes [generate|read|write|delete], rateLimit? n, isActive b, "
            "lastUsedAt? n, totalRequests n, expiresAt? n, createdAt n, updatedAt n"
        ),
        {"by_user": "userId", "by_key_hash": "keyHash", "by_prefix": "prefix"},
    ),
    "usage": (
        (
            "userId <users>, date s, generationsCount n, generationsSuccess n, generationsFailed n, creditsUsed n, "
            "modelUsage {s n}, storageUsedBytes n, imagesUploaded n, imagesDeleted n, apiRequestsCount n, "
            "apiRequestsSuccess n, apiRequestsFailed n, estimatedCostUsd? n, createdAt n, updatedAt n"
        ),
        {"by_user": "userId", "by_user_date": "userId date", "by_date": "date"},
    ),
}

# Tables the original planned for, or that its promises need.
OURS = {
    "accountDeletions",
    "clerkEvents",
    "collaborations",
    "creditChanges",
    "generationRuns",
    "looseObjects",
    "rateCounters",
    "stripeCustomers",
    "stripeEvents",
    "userTotals",
    "webhookDeliveries",
    "webhooks",
}

PUBLIC = {
    "apiKeys:createApiKey",
    "apiKeys:deleteApiKey",
    "apiKeys:listApiKeys",
    "apiKeys:revokeApiKey",
    "apiKeys:rotateApiKey",
    "collections:addImages",
    "collections:createCollection",
    "collections:deleteCollection",
    "collections:getCollection",
    "collections:listCollections",
    "collections:removeImages",
    "collections:reorderImages",
    "collections:updateCollection",
    "deletions:getProgress",
    "generations:createGenerationJob",
    "generations:getGenerationJob",
    "generations:getImage",
    "generations:listGenerationJobs",
    "images:createDownloadUrl",
    "images:deleteImage",
    "images:gallery",
    "images:getUserImages",
    "images:recordDownload",
    "images:recordView",
    "images:searchImages",
    "images:updateImage",
    "ledger:getCreditAlert",
    "ledger:listCreditChanges",
    "rateLimits:checkRateLimit",
    "sharing:getPublicCollection",
    "sharing:getSharedCollection",
    "sharing:inviteCollaborator",
    "sharing:listCollaborators",
    "sharing:listJoinedCollections",
    "sharing:listPublicCollections",
    "sharing:removeCollaborator",
    "sharing:shareCollection",
    "sharing:unshareCollection",
    "users:getCurrentUser",
    "users:getUserUsageStats",
    "users:updateUserSettings",
    "webhooks:deleteWebhook",
    "webhooks:listDeliveries",
    "webhooks:listWebhooks",
    "webhooks:redeliver",
    "webhooks:registerWebhook",
    "webhooks:updateWebhook",
}

# Of the original's functions, those that had no check of who calls: now only the server reaches them.
ONCE_OPEN_TO_ALL = {
    "users:createUser",
    "users:deductCredits",
    "users:deleteUser",
    "users:getUserById",
    "users:updateStorageUsage",
    "users:updateUser",
    "users:updateUserPlan",
}

FRONT_END = """
import { useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { ConvexHttpClient } from "convex/browser";
import { fetchMutation } from "convex/nextjs";
import { api, internal } from "@/convex/_generated/api";
import type { Doc, Id } from "@/convex/_generated/dataModel";

export function Dashboard({ jobId, imageId, open }: { jobId?: Id<"generationJobs">; imageId: Id<"images">; open: boolean }) {
  const user: Doc<"users"> | null | undefined = useQuery(api.users.getCurrentUser);
  const stats = useQuery(api.users.getUserUsageStats, user ? {} : "skip");
  const create = useMutation(api.generations.createGenerationJob);
  const settings = useMutation(api.users.updateUserSettings);
  const job = useQuery(api.generations.getGenerationJob, jobId ? { jobId } : "skip");
  const image = useQuery(api.generations.getImage, open ? { imageId } : "skip");
  const pages = usePaginatedQuery(api.images.getUserImages, {}, { initialNumItems: 20 });
  async function submit() {
    const { jobId, creditsUsed, creditsRemaining } = await create({
      prompt: "a lighthouse", model: "flux-pro", negativePrompt: undefined, width: 1024, height: 1024, numImages: 1,
    });
    const { success } = await settings({ emailNotifications: false, defaultModel: "flux-pro" });
    const next: Id<"generationJobs"> = jobId;
    const sum: number = creditsUsed + creditsRemaining;
    const done: boolean = success;
    return { next, sum, done };
  }
  const shown: string[] = pages.results.map((each) => each.thumbnailUrl ?? each.cloudFrontUrl);
  return { submit, shown, last: stats?.recentJobs[0]?.status, tags: image?.tags, ids: job?.imageIds, credits: user?.credits };
}

export async function elsewhere() {
  const client = new ConvexHttpClient("http://127.0.0.1:3210");
  const jobs: Doc<"generationJobs">[] = await client.query(api.generations.listGenerationJobs, { status: "failed" });
  // @ts-expect-error: making users is for the webhook, on the server
  await fetchMutation(api.users.createUser, { clerkId: "c", email: "e" });
  // @ts-expect-error: and internal references are of no use to a client
  await client.mutation(internal.users.deductCredits, { userId: jobs[0].userId, amount: 1 });
}
"""


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_fields_and_indexes_of_the_original(manifest: Manifest, name: str) -> None:
    table = next(table for table in manifest.tables if table.name == name)
    fields, indexes = TABLES[name]
    assert _fields(table) == dict(_parsed(field) for field in fields.split(", "))
    assert {index: " ".join(paths) for index, paths in table.indexes} == indexes


def test_the_originals_tables_and_ours_are_all_and_prompts_are_searched_by_owner_and_visibility(
    manifest: Manifest,
) -> None:
    assert {table.name for table in manifest.tables} == set(TABLES) | OURS
    (search,) = (search for table in manifest.tables for search in table.search_indexes)
    assert (search.name, search.field, search.filters) == ("search_prompt", "prompt", ("userId", "isPublic"))


def test_only_these_functions_are_public(manifest: Manifest) -> None:
    assert {function.path for function in manifest.functions if function.visibility == "public"} == PUBLIC
    internal = {function.path for function in manifest.functions if function.visibility == "internal"}
    assert internal >= ONCE_OPEN_TO_ALL
    assert "users:addTestCredits" not in internal | PUBLIC


def test_every_public_function_says_what_it_is_for_and_declares_its_result(manifest: Manifest) -> None:
    for function in manifest.functions:
        assert function.doc, function.path
        assert function.returns is not None, function.path


def test_the_calls_of_the_front_end_type_check_unchanged(manifest: Manifest, compiler: Compiler) -> None:
    files = typescript.render(manifest)
    compiler.write({f"functions/_generated/{name}": text for name, text in files.items()})
    compiler.write({"dashboard.tsx": FRONT_END})
    assert compiler.errors() == ""


def test_the_generated_files_in_the_repository_are_up_to_date(manifest: Manifest) -> None:
    for name, text in typescript.render(manifest).items():
        assert (ROOT / "functions" / "_generated" / name).read_text() == text, f"run `reactor codegen` ({name})"


def _parsed(field: str) -> tuple[str, str]:
    """`"tags? [s]"` → `("tags?", "Array<string>")`."""
    name, _, kind = field.partition(" ")
    return name, _spelt(kind)


def _spelt(kind: str) -> str:
    plain = {"s": "string", "n": "number", "b": "boolean", "{s n}": "Record<string, number>"}
    if kind in plain:
        return plain[kind]
    if kind.startswith("["):
        return f"Array<{_spelt(kind[1:-1])}>"
    if kind.startswith("<"):
        return f'Id<"{kind[1:-1]}">'
    return " | ".join(f'"{literal}"' for literal in kind.split("|"))


def _fields(table: TableManifest) -> dict[str, str]:
    types = TypeText(frozenset(TABLES))
    return {
        field.name + ("?" if field.optional else ""): types.of(field.validator)
        for field in table.document.fields
        if not field.name.startswith("_")
    }
