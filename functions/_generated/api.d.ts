/* eslint-disable */
// Written by reactor from schema.py and functions/: edit those, not this file.

import type { FunctionReference, PaginationOptions, PaginationResult } from "convex/server";
import type { Doc, Id } from "./dataModel.js";

/** What clients may call: `useQuery(api.module.function, args)`. */
export declare const api: {
  apiKeys: {
    /** Make a key for the signed-in user. `rateLimit` is requests a minute. */
    createApiKey: FunctionReference<
      "mutation",
      "public",
      {
        name: string;
        scopes: Array<"generate" | "read" | "write" | "delete">;
        rateLimit?: number;
        expiresAt?: number;
      },
      { keyId: Id<"apiKeys">; key: string; prefix: string }
    >;
    /** Stop a key from working, and forget it. */
    deleteApiKey: FunctionReference<"mutation", "public", { keyId: Id<"apiKeys"> }, null>;
    /** The signed-in user's keys. */
    listApiKeys: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        keyId: Id<"apiKeys">;
        name: string;
        prefix: string;
        scopes: Array<"generate" | "read" | "write" | "delete">;
        rateLimit?: number;
        isActive: boolean;
        lastUsedAt?: number;
        totalRequests: number;
        expiresAt?: number;
        createdAt: number;
      }>
    >;
    /** Stop a key from working, for good. It stays listed. */
    revokeApiKey: FunctionReference<"mutation", "public", { keyId: Id<"apiKeys"> }, null>;
    /** Give a key a new secret, everything else staying as it is; the old one stops working at once. */
    rotateApiKey: FunctionReference<
      "mutation",
      "public",
      { keyId: Id<"apiKeys"> },
      { keyId: Id<"apiKeys">; key: string; prefix: string }
    >;
  };
  collections: {
    /** Put images of one's own at the end of a collection; those it has already stay where they are. How many are new. */
    addImages: FunctionReference<
      "mutation",
      "public",
      { collectionId: Id<"collections">; imageIds: Array<Id<"images">> },
      number
    >;
    /** Begin a collection, with nothing in it. */
    createCollection: FunctionReference<
      "mutation",
      "public",
      { name: string; description?: string; isPublic?: boolean },
      Id<"collections">
    >;
    /** End a collection. Its images stay. */
    deleteCollection: FunctionReference<
      "mutation",
      "public",
      { collectionId: Id<"collections"> },
      null
    >;
    /** A collection of the signed-in user, or one they collaborate on; null when there is none they may see. */
    getCollection: FunctionReference<
      "query",
      "public",
      { collectionId: Id<"collections"> },
      { collection: Doc<"collections">; images: Array<Doc<"images">> } | null
    >;
    /** The signed-in user's collections, the last changed first. */
    listCollections: FunctionReference<
      "query",
      "public",
      { paginationOpts: PaginationOptions },
      PaginationResult<Doc<"collections">>
    >;
    /** Take images out of a collection. How many were in it. */
    removeImages: FunctionReference<
      "mutation",
      "public",
      { collectionId: Id<"collections">; imageIds: Array<Id<"images">> },
      number
    >;
    /** Put a collection's images in this order. An error when they are others by now: look again, and order those. */
    reorderImages: FunctionReference<
      "mutation",
      "public",
      { collectionId: Id<"collections">; imageIds: Array<Id<"images">> },
      null
    >;
    /** Change what was sent; the cover is one of its images, or null. */
    updateCollection: FunctionReference<
      "mutation",
      "public",
      {
        collectionId: Id<"collections">;
        name?: string;
        description?: string | null;
        isPublic?: boolean;
        coverImageId?: Id<"images"> | null;
      },
      null
    >;
  };
  deletions: {
    /** How far the deletion of the signed-in person's account is; null when there is nothing left to delete. */
    getProgress: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      {
        imagesTotal: number;
        imagesDeleted: number;
        documentsDeleted: number;
        objectsLeft: number;
      } | null
    >;
  };
  generations: {
    /** Order images. Credits are taken at once; a job that fails for no fault of the user gives them back. */
    createGenerationJob: FunctionReference<
      "mutation",
      "public",
      {
        prompt: string;
        model: string;
        negativePrompt?: string;
        width?: number;
        height?: number;
        steps?: number;
        guidance?: number;
        seed?: number;
        numImages?: number;
      },
      { jobId: Id<"generationJobs">; creditsUsed: number; creditsRemaining: number }
    >;
    /** A job of the signed-in user; null when it does not exist. */
    getGenerationJob: FunctionReference<
      "query",
      "public",
      { jobId: Id<"generationJobs"> },
      Doc<"generationJobs"> | null
    >;
    /** A public image, or one of the signed-in user; null when it does not exist. */
    getImage: FunctionReference<
      "query",
      "public",
      { imageId: Id<"images"> },
      Doc<"images"> | null
    >;
    /** The signed-in user's jobs, the newest first. */
    listGenerationJobs: FunctionReference<
      "query",
      "public",
      {
        limit?: number;
        status?: "pending" | "processing" | "uploading" | "completed" | "failed";
      },
      Array<Doc<"generationJobs">>
    >;
  };
  images: {
    /** A URL of an image's bytes that works for an hour, for whoever may see the image. */
    createDownloadUrl: FunctionReference<"action", "public", { imageId: Id<"images"> }, string>;
    /** Delete an image, take it out of all collections, and free its space. */
    deleteImage: FunctionReference<"mutation", "public", { imageId: Id<"images"> }, null>;
    /** Everybody's public images, the newest first; no account needed. */
    gallery: FunctionReference<
      "query",
      "public",
      { paginationOpts: PaginationOptions },
      PaginationResult<Doc<"images">>
    >;
    /** The signed-in user's images, the newest first. */
    getUserImages: FunctionReference<
      "query",
      "public",
      { paginationOpts: PaginationOptions },
      PaginationResult<Doc<"images">>
    >;
    /** Somebody took a copy of an image. */
    recordDownload: FunctionReference<"mutation", "public", { imageId: Id<"images"> }, null>;
    /** Somebody looked at an image. */
    recordView: FunctionReference<"mutation", "public", { imageId: Id<"images"> }, null>;
    /** The signed-in user's images whose prompt matches, the best first; all, or only those that are public or not. */
    searchImages: FunctionReference<
      "query",
      "public",
      { text: string; limit?: number; isPublic?: boolean },
      Array<Doc<"images">>
    >;
    /** Tag an image, or show it to everybody. Null removes all tags. */
    updateImage: FunctionReference<
      "mutation",
      "public",
      { imageId: Id<"images">; tags?: Array<string> | null; isPublic?: boolean },
      null
    >;
  };
  ledger: {
    /** Whether the signed-in user's credits run out; null while there are enough. */
    getCreditAlert: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      "low" | "depleted" | null
    >;
    /** The movements of the signed-in user's credits, the newest first. */
    listCreditChanges: FunctionReference<
      "query",
      "public",
      { paginationOpts: PaginationOptions },
      PaginationResult<Doc<"creditChanges">>
    >;
  };
  rateLimits: {
    /** What is left of the signed-in user's limits. */
    checkRateLimit: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      {
        generations: { limit: number | null; used: number; resetsAt?: number };
        apiRequests: { limit: number | null; used: number; resetsAt?: number };
      }
    >;
  };
  sharing: {
    /** A public collection; no account needed. Null when there is none. */
    getPublicCollection: FunctionReference<
      "query",
      "public",
      { collectionId: Id<"collections"> },
      {
        collectionId: Id<"collections">;
        name: string;
        description?: string;
        images: Array<{
          imageId: Id<"images">;
          prompt: string;
          url: string;
          thumbnailUrl?: string;
          blurDataUrl?: string;
          width: number;
          height: number;
        }>;
      } | null
    >;
    /** The collection behind a link; no account needed. Null when the link leads nowhere, also from now on. */
    getSharedCollection: FunctionReference<
      "query",
      "public",
      { shareToken: string },
      {
        collectionId: Id<"collections">;
        name: string;
        description?: string;
        images: Array<{
          imageId: Id<"images">;
          prompt: string;
          url: string;
          thumbnailUrl?: string;
          blurDataUrl?: string;
          width: number;
          height: number;
        }>;
      } | null
    >;
    /** Let the user with this address fill a collection, too. Doing it again changes nothing. */
    inviteCollaborator: FunctionReference<
      "mutation",
      "public",
      { collectionId: Id<"collections">; email: string },
      Id<"users">
    >;
    /** Who fills one's collection. */
    listCollaborators: FunctionReference<
      "query",
      "public",
      { collectionId: Id<"collections"> },
      Array<{ userId: Id<"users">; email: string; username?: string }>
    >;
    /** Collections of others that the signed-in user fills. */
    listJoinedCollections: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        collectionId: Id<"collections">;
        name: string;
        description?: string;
        coverImageId?: Id<"images">;
        imageCount: number;
      }>
    >;
    /** Everybody's public collections, the last changed first; no account needed. */
    listPublicCollections: FunctionReference<
      "query",
      "public",
      { paginationOpts: PaginationOptions },
      PaginationResult<{
        collectionId: Id<"collections">;
        name: string;
        description?: string;
        coverImageId?: Id<"images">;
        imageCount: number;
      }>
    >;
    /** Let a collaborator go: the owner may, and everybody may go by themselves. */
    removeCollaborator: FunctionReference<
      "mutation",
      "public",
      { collectionId: Id<"collections">; userId: Id<"users"> },
      null
    >;
    /** The token of a collection's link; the same one until it is unshared. */
    shareCollection: FunctionReference<
      "mutation",
      "public",
      { collectionId: Id<"collections"> },
      string
    >;
    /** Let the link lead nowhere, for good: shared again, it is another. */
    unshareCollection: FunctionReference<
      "mutation",
      "public",
      { collectionId: Id<"collections"> },
      null
    >;
  };
  users: {
    /** The signed-in user; null when signed out. */
    getCurrentUser: FunctionReference<"query", "public", Record<string, never>, Doc<"users"> | null>;
    /** Totals of the signed-in user, live. Reads a dozen rows, however many images there are. */
    getUserUsageStats: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      {
        totalImages: number;
        totalGenerations: number;
        successfulGenerations: number;
        failedGenerations: number;
        imagesLast30Days: number;
        recentJobs: Array<Doc<"generationJobs">>;
        storageUsedBytes: number;
        storageQuotaBytes: number;
        credits: number;
        plan: "free" | "pro" | "enterprise";
      }
    >;
    /** Change the signed-in user's settings; null clears the default model. */
    updateUserSettings: FunctionReference<
      "mutation",
      "public",
      { emailNotifications?: boolean; defaultModel?: string | null },
      { success: boolean }
    >;
  };
  webhooks: {
    /** Delete a webhook. The log of its deliveries stays. */
    deleteWebhook: FunctionReference<"mutation", "public", { webhookId: Id<"webhooks"> }, null>;
    /** What was sent to the signed-in user's webhooks, and how that went; the newest first. */
    listDeliveries: FunctionReference<
      "query",
      "public",
      { paginationOpts: PaginationOptions },
      PaginationResult<Doc<"webhookDeliveries">>
    >;
    /** The signed-in user's webhooks. */
    listWebhooks: FunctionReference<
      "query",
      "public",
      Record<string, never>,
      Array<{
        webhookId: Id<"webhooks">;
        url: string;
        events: Array<
          | "generation.started"
          | "generation.completed"
          | "generation.failed"
          | "credit.low"
          | "credit.depleted">;
        isActive: boolean;
        failures: number;
        disabledAt?: number;
        createdAt: number;
      }>
    >;
    /** Send a delivery again, under its old id, with all its attempts before it. */
    redeliver: FunctionReference<
      "mutation",
      "public",
      { deliveryId: Id<"webhookDeliveries"> },
      null
    >;
    /** Let an address hear of the signed-in user's events. The answer holds the secret that signs them. */
    registerWebhook: FunctionReference<
      "mutation",
      "public",
      {
        url: string;
        events: Array<
          | "generation.started"
          | "generation.completed"
          | "generation.failed"
          | "credit.low"
          | "credit.depleted">;
      },
      { webhookId: Id<"webhooks">; secret: string }
    >;
    /** Change a webhook; switching a disabled one on forgives its failures. */
    updateWebhook: FunctionReference<
      "mutation",
      "public",
      {
        webhookId: Id<"webhooks">;
        url?: string;
        events?: Array<
          | "generation.started"
          | "generation.completed"
          | "generation.failed"
          | "credit.low"
          | "credit.depleted">;
        isActive?: boolean;
      },
      null
    >;
  };
};

/** What only the server itself calls: clients are refused. */
export declare const internal: {
  apiKeys: {
    /** The request that was counted as a success came to nothing. */
    noteFailure: FunctionReference<"mutation", "internal", { userId: Id<"users"> }, null>;
    /** A program calls with this key: may it? If so it is counted, against all limits there are. */
    useApiKey: FunctionReference<
      "mutation",
      "internal",
      { key: string; scope: "generate" | "read" | "write" | "delete" },
      {
        userId?: Id<"users">;
        refused?: "unknown" | "scope" | "plan" | "rate";
        retryAfter?: number;
      }
    >;
    /** Whose key this is; null when it does not work: unknown, revoked or expired. */
    validateApiKey: FunctionReference<
      "query",
      "internal",
      { key: string },
      {
        keyId: Id<"apiKeys">;
        userId: Id<"users">;
        scopes: Array<"generate" | "read" | "write" | "delete">;
      } | null
    >;
  };
  attempts: {
    /** Before an object is written: it may be, there is room for it, and it will be swept if no image comes of it. */
    announceUpload: FunctionReference<
      "mutation",
      "internal",
      {
        jobId: Id<"generationJobs">;
        attempt: number;
        s3Key: string;
        s3Bucket: string;
        fileSizeBytes: number;
      },
      boolean
    >;
    /** An attempt has ended without success: there is another one, or the job has failed. */
    attemptFailed: FunctionReference<
      "mutation",
      "internal",
      {
        jobId: Id<"generationJobs">;
        attempt: number;
        error: string;
        retry: boolean;
        refund: boolean;
      },
      null
    >;
    /** Begin an attempt, if it is this one's turn: the job waits for it, and nobody else has it. */
    beginAttempt: FunctionReference<
      "mutation",
      "internal",
      { jobId: Id<"generationJobs">; attempt: number },
      
        | { job: Doc<"generationJobs">; clerkId: string; imageIds: Array<Id<"images">> }
        | null
    >;
    /** Jobs whose attempt has died with its server, or hangs, get the next one or fail. Returns how many were stuck. */
    recoverStuckJobs: FunctionReference<"mutation", "internal", Record<string, never>, number>;
  };
  clerk: {
    /** Messages of long ago are forgotten, but not whom Clerk deleted. How many. */
    forgetEvents: FunctionReference<"mutation", "internal", Record<string, never>, number>;
    /**
     * Do what a message says. False when this very message was dealt with before, and nothing was done.
     *
     * Messages overtake each other: an update may come before the creation, or after the deletion.
     */
    handleEvent: FunctionReference<
      "mutation",
      "internal",
      {
        svixId: string;
        type: "user.created" | "user.updated" | "user.deleted";
        data: Record<string, any>;
      },
      boolean
    >;
  };
  deletions: {
    /** Delete a chunk of what a deleted user left, and come back for the rest. */
    purge: FunctionReference<
      "mutation",
      "internal",
      { deletionId: Id<"accountDeletions"> },
      null
    >;
  };
  generationActions: {
    /** Make one attempt at a job. One that somebody else took, or that is settled, is left alone. */
    processGeneration: FunctionReference<
      "action",
      "internal",
      { jobId: Id<"generationJobs">; attempt?: number },
      null
    >;
    /**
     * Delete the objects that have no image. How many.
     *
     * An upload that may still be under way is left for ten minutes. `ahead_seconds` sweeps what would be swept so much
     * later: for an operator who knows that nothing is under way.
     */
    sweepObjects: FunctionReference<"action", "internal", { aheadSeconds?: number }, number>;
  };
  generations: {
    /** Settle a job well: its images are there. */
    completeGeneration: FunctionReference<
      "mutation",
      "internal",
      {
        jobId: Id<"generationJobs">;
        imageIds: Array<Id<"images">>;
        processingTimeMs?: number;
        estimatedCostUsd?: number;
        attempt?: number;
      },
      null
    >;
    /** A picture of a job that lies in storage now: its row, and its bytes against the quota, in one step. */
    createImage: FunctionReference<
      "mutation",
      "internal",
      {
        jobId: Id<"generationJobs">;
        s3Key: string;
        s3Bucket: string;
        cloudFrontUrl: string;
        fileSizeBytes: number;
        mimeType: string;
        thumbnailUrl?: string;
        blurDataUrl?: string;
        seed?: number;
        attempt?: number;
      },
      Id<"images">
    >;
    /** Settle a job badly, and give its credits back when the user is not to blame. */
    failGeneration: FunctionReference<
      "mutation",
      "internal",
      { jobId: Id<"generationJobs">; error: string; refund?: boolean },
      null
    >;
    /** Any job. */
    getGenerationJobInternal: FunctionReference<
      "query",
      "internal",
      { id: Id<"generationJobs"> },
      Doc<"generationJobs"> | null
    >;
    /** A user's job by the text of its id, for their programs. */
    getJobOfUser: FunctionReference<
      "query",
      "internal",
      { userId: Id<"users">; jobId: string },
      Doc<"generationJobs"> | null
    >;
    /** Any user. */
    getUserInternal: FunctionReference<"query", "internal", { id: Id<"users"> }, Doc<"users"> | null>;
    /** Give up the attempt that is under way, and schedule the next one. Returns the retries so far. */
    incrementRetryCount: FunctionReference<
      "mutation",
      "internal",
      { jobId: Id<"generationJobs"> },
      number
    >;
    /** Order images for a user whose API key was checked. */
    placeOrder: FunctionReference<
      "mutation",
      "internal",
      {
        userId: Id<"users">;
        prompt: string;
        model: string;
        negativePrompt?: string;
        width?: number;
        height?: number;
        steps?: number;
        guidance?: number;
        seed?: number;
        numImages?: number;
      },
      { jobId: Id<"generationJobs">; creditsUsed: number; creditsRemaining: number }
    >;
    /** Move an active job on; false when it is settled, gone or another attempt's, and nothing more is to be done. */
    updateJobStatus: FunctionReference<
      "mutation",
      "internal",
      {
        jobId: Id<"generationJobs">;
        status: "pending" | "processing" | "uploading";
        attempt?: number;
      },
      boolean
    >;
    /** Add to what a user stores. */
    updateStorageUsage: FunctionReference<
      "mutation",
      "internal",
      { userId: Id<"users">; bytesChange: number },
      null
    >;
  };
  grants: {
    /** Fill up a chunk of users, and come back for the rest. */
    grantMonthly: FunctionReference<"mutation", "internal", { cursor?: string }, null>;
  };
  images: {
    /** Delete a user's image, for their programs; false when they have none of this id. */
    deleteOfUser: FunctionReference<
      "mutation",
      "internal",
      { userId: Id<"users">; imageId: string },
      boolean
    >;
    /** A user's image by the text of its id, for their programs. */
    getOfUser: FunctionReference<
      "query",
      "internal",
      { userId: Id<"users">; imageId: string },
      Doc<"images"> | null
    >;
    /** The image, if whoever is signed in may see it. */
    getVisibleImage: FunctionReference<"query", "internal", { imageId: Id<"images"> }, Doc<"images">>;
    /** A user's images, the newest first, for their programs. */
    pageOfUser: FunctionReference<
      "query",
      "internal",
      { userId: Id<"users">; paginationOpts: PaginationOptions },
      PaginationResult<Doc<"images">>
    >;
  };
  looseObjects: {
    /** Objects to delete: due now, or in so many seconds. From here on no image can be made of them. */
    claim: FunctionReference<
      "mutation",
      "internal",
      { bucket: string; limit: number; aheadSeconds?: number },
      Array<Doc<"looseObjects">>
    >;
    /** They are deleted. */
    forget: FunctionReference<
      "mutation",
      "internal",
      { ids: Array<Id<"looseObjects">> },
      null
    >;
  };
  seed: {
    /** More images for a user, all others staying as they are; other numbers in `seed` make others. */
    addImages: FunctionReference<
      "mutation",
      "internal",
      { userId: Id<"users">; images: number; seed: number; bucket?: string },
      { userId: Id<"users">; images: number }
    >;
    /** The user with this number and their images; one who is there already is left alone. */
    addUser: FunctionReference<
      "mutation",
      "internal",
      { number: number; images: number },
      { userId: Id<"users">; images: number }
    >;
  };
  stripe: {
    /** Events of long ago are forgotten. How many. */
    forgetEvents: FunctionReference<"mutation", "internal", Record<string, never>, number>;
    /**
     * Do what an event says; `created` is in seconds. False when nothing was done: it was dealt with, or is too old.
     *
     * An error when the customer or the price is not known here: the answer is one too, and Stripe sends it again.
     */
    handleEvent: FunctionReference<
      "mutation",
      "internal",
      {
        eventId: string;
        type:
          | "checkout.session.completed"
          | "customer.subscription.created"
          | "customer.subscription.updated"
          | "customer.subscription.deleted";
        created: number;
        data: Record<string, any>;
      },
      boolean
    >;
  };
  totals: {
    /** Count a user's rows and write down what they are: for users who are older than their totals. */
    recount: FunctionReference<"mutation", "internal", { userId: Id<"users"> }, null>;
  };
  users: {
    /** An operator's correction: give credits, or take them with a negative amount, down to none. */
    adjustCredits: FunctionReference<
      "mutation",
      "internal",
      { userId: Id<"users">; amount: number; note?: string },
      { newBalance: number }
    >;
    /** Make the user Clerk told us of; one that is there already is left as it is. */
    createUser: FunctionReference<
      "mutation",
      "internal",
      {
        clerkId: string;
        email: string;
        firstName?: string;
        lastName?: string;
        username?: string;
        profileImage?: string;
      },
      Id<"users">
    >;
    /** Take credits; an error when there are not enough. */
    deductCredits: FunctionReference<
      "mutation",
      "internal",
      { userId: Id<"users">; amount: number },
      { newBalance: number }
    >;
    /** Delete a user at once, and in the background all that was theirs. Silent when there is none. */
    deleteUser: FunctionReference<"mutation", "internal", { clerkId: string }, null>;
    /** Any user. */
    getUserById: FunctionReference<
      "query",
      "internal",
      { userId: Id<"users"> },
      Doc<"users"> | null
    >;
    /** Add to what a user stores. */
    updateStorageUsage: FunctionReference<
      "mutation",
      "internal",
      { userId: Id<"users">; bytesChange: number },
      null
    >;
    /** Change what was sent: a null name is removed, an empty email ignored. */
    updateUser: FunctionReference<
      "mutation",
      "internal",
      {
        clerkId: string;
        email?: string;
        firstName?: string | null;
        lastName?: string | null;
        username?: string | null;
        profileImage?: string | null;
      },
      Id<"users">
    >;
    /** Move a user to a plan: credits and quota become the plan's. */
    updateUserPlan: FunctionReference<
      "mutation",
      "internal",
      {
        userId: Id<"users">;
        plan: "free" | "pro" | "enterprise";
        stripeCustomerId?: string;
        stripeSubscriptionId?: string;
        subscriptionStatus?: "active" | "canceled" | "past_due" | "trialing";
      },
      null
    >;
  };
  webhookActions: {
    /** Make one attempt at a delivery, and write down how it went. */
    deliver: FunctionReference<
      "action",
      "internal",
      { deliveryId: Id<"webhookDeliveries"> },
      null
    >;
  };
  webhooks: {
    /** A delivery whose webhook was disabled or deleted meanwhile is not made. */
    dropDelivery: FunctionReference<
      "mutation",
      "internal",
      { deliveryId: Id<"webhookDeliveries"> },
      null
    >;
    /** What to send where; null when nothing is to be sent any more. */
    getParcel: FunctionReference<
      "query",
      "internal",
      { deliveryId: Id<"webhookDeliveries"> },
      { url: string; secret: string; payload: string } | null
    >;
    /** An attempt was made: it is delivered, tried again later, or given up; too many failures disable the webhook. */
    recordAttempt: FunctionReference<
      "mutation",
      "internal",
      { deliveryId: Id<"webhookDeliveries">; responseStatus?: number; error?: string },
      null
    >;
    /** Attempts that were lost, the server having stopped in the middle of them, are made again. How many. */
    sendLost: FunctionReference<"mutation", "internal", Record<string, never>, number>;
  };
};
