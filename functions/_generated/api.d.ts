/* eslint-disable */
// Written by reactor from schema.py and functions/: edit those, not this file.

import type { FunctionReference, PaginationOptions, PaginationResult } from "convex/server";
import type { Doc, Id } from "./dataModel.js";

/** What clients may call: `useQuery(api.module.function, args)`. */
export declare const api: {
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
    /** Delete an image, take it out of its owner's collections, and free its space. */
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
    /** The signed-in user's images whose prompt matches, the best first. */
    searchImages: FunctionReference<
      "query",
      "public",
      { text: string; limit?: number },
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
  users: {
    /** The signed-in user; null when signed out. */
    getCurrentUser: FunctionReference<"query", "public", Record<string, never>, Doc<"users"> | null>;
    /** Totals of the signed-in user, live. */
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
};

/** What only the server itself calls: clients are refused. */
export declare const internal: {
  generationActions: {
    /** Carry out a job that is waiting; one that somebody else took, or that is settled, is left alone. */
    processGeneration: FunctionReference<"action", "internal", { jobId: Id<"generationJobs"> }, null>;
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
    /** Any user. */
    getUserInternal: FunctionReference<"query", "internal", { id: Id<"users"> }, Doc<"users"> | null>;
    /** Count one more try, and let the job wait for it: a retried job is pending again. Returns the tries so far. */
    incrementRetryCount: FunctionReference<
      "mutation",
      "internal",
      { jobId: Id<"generationJobs"> },
      number
    >;
    /** Move an active job on; false when it is settled or gone, and nothing more should be done for it. */
    updateJobStatus: FunctionReference<
      "mutation",
      "internal",
      { jobId: Id<"generationJobs">; status: "pending" | "processing" | "uploading" },
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
  seed: {
    /** The user with this number and their images; one who is there already is left alone. */
    addUser: FunctionReference<
      "mutation",
      "internal",
      { number: number; images: number },
      { userId: Id<"users">; images: number }
    >;
  };
  users: {
    /** An operator's correction: give credits, or take them with a negative amount, down to none. */
    adjustCredits: FunctionReference<
      "mutation",
      "internal",
      { userId: Id<"users">; amount: number },
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
    /** Delete a chunk of what a deleted user left, and come back for the rest. */
    purgeUser: FunctionReference<"mutation", "internal", { userId: Id<"users"> }, null>;
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
};
