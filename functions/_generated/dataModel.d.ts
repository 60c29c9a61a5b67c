/* eslint-disable */
// Written by reactor from schema.py and functions/: edit those, not this file.

import type { DocumentByName, SystemTableNames, TableNamesInDataModel } from "convex/server";
import type { GenericId } from "convex/values";

export type DataModel = {
  accountDeletions: {
    document: {
      _id: Id<"accountDeletions">;
      _creationTime: number;
      userId: Id<"users">;
      clerkId: string;
      imagesTotal: number;
      imagesDeleted: number;
      documentsDeleted: number;
      objectsLeft: number;
      rowsAreGone: boolean;
      createdAt: number;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "clerkId"
      | "createdAt"
      | "documentsDeleted"
      | "imagesDeleted"
      | "imagesTotal"
      | "objectsLeft"
      | "rowsAreGone"
      | "userId";
    indexes: {
      by_clerk_id: ["clerkId", "_creationTime"];
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  apiKeys: {
    document: {
      _id: Id<"apiKeys">;
      _creationTime: number;
      createdAt: number;
      updatedAt: number;
      userId: Id<"users">;
      name: string;
      keyHash: string;
      prefix: string;
      scopes: Array<"generate" | "read" | "write" | "delete">;
      rateLimit?: number;
      isActive: boolean;
      lastUsedAt?: number;
      totalRequests: number;
      expiresAt?: number;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "createdAt"
      | "expiresAt"
      | "isActive"
      | "keyHash"
      | "lastUsedAt"
      | "name"
      | "prefix"
      | "rateLimit"
      | "scopes"
      | "totalRequests"
      | "updatedAt"
      | "userId";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_key_hash: ["keyHash", "_creationTime"];
      by_prefix: ["prefix", "_creationTime"];
      by_user: ["userId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  clerkEvents: {
    document: {
      _id: Id<"clerkEvents">;
      _creationTime: number;
      svixId: string;
      type: string;
      clerkId: string;
      createdAt: number;
    };
    fieldPaths: "_creationTime" | "_id" | "clerkId" | "createdAt" | "svixId" | "type";
    indexes: {
      by_clerk_id: ["clerkId", "type", "_creationTime"];
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_svix_id: ["svixId", "_creationTime"];
      by_type: ["type", "createdAt", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  collaborations: {
    document: {
      _id: Id<"collaborations">;
      _creationTime: number;
      userId: Id<"users">;
      collectionId: Id<"collections">;
      createdAt: number;
    };
    fieldPaths: "_creationTime" | "_id" | "collectionId" | "createdAt" | "userId";
    indexes: {
      by_collection: ["collectionId", "userId", "_creationTime"];
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_user: ["userId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  collections: {
    document: {
      _id: Id<"collections">;
      _creationTime: number;
      createdAt: number;
      updatedAt: number;
      userId: Id<"users">;
      name: string;
      description?: string;
      coverImageId?: Id<"images">;
      imageIds: Array<Id<"images">>;
      isPublic: boolean;
      shareToken?: string;
      collaboratorIds?: Array<Id<"users">>;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "collaboratorIds"
      | "coverImageId"
      | "createdAt"
      | "description"
      | "imageIds"
      | "isPublic"
      | "name"
      | "shareToken"
      | "updatedAt"
      | "userId";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_public: ["isPublic", "updatedAt", "_creationTime"];
      by_share_token: ["shareToken", "_creationTime"];
      by_user: ["userId", "_creationTime"];
      by_user_updated: ["userId", "updatedAt", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  creditChanges: {
    document: {
      _id: Id<"creditChanges">;
      _creationTime: number;
      userId: Id<"users">;
      amount: number;
      balance: number;
      reason: "grant" | "generation" | "refund" | "plan" | "adjustment";
      jobId?: Id<"generationJobs">;
      note?: string;
      createdAt: number;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "amount"
      | "balance"
      | "createdAt"
      | "jobId"
      | "note"
      | "reason"
      | "userId";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_user: ["userId", "_creationTime"];
      by_user_reason: ["userId", "reason", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  generationJobs: {
    document: {
      _id: Id<"generationJobs">;
      _creationTime: number;
      createdAt: number;
      updatedAt: number;
      userId: Id<"users">;
      status: "pending" | "processing" | "uploading" | "completed" | "failed";
      prompt: string;
      negativePrompt?: string;
      model: string;
      width: number;
      height: number;
      steps?: number;
      guidance?: number;
      seed?: number;
      numImages: number;
      imageIds?: Array<Id<"images">>;
      error?: string;
      retryCount: number;
      creditsUsed: number;
      estimatedCostUsd?: number;
      processingTimeMs?: number;
      startedAt?: number;
      completedAt?: number;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "completedAt"
      | "createdAt"
      | "creditsUsed"
      | "error"
      | "estimatedCostUsd"
      | "guidance"
      | "height"
      | "imageIds"
      | "model"
      | "negativePrompt"
      | "numImages"
      | "processingTimeMs"
      | "prompt"
      | "retryCount"
      | "seed"
      | "startedAt"
      | "status"
      | "steps"
      | "updatedAt"
      | "userId"
      | "width";
    indexes: {
      by_created: ["createdAt", "_creationTime"];
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_status: ["status", "_creationTime"];
      by_user: ["userId", "_creationTime"];
      by_user_status: ["userId", "status", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  generationRuns: {
    document: {
      _id: Id<"generationRuns">;
      _creationTime: number;
      jobId: Id<"generationJobs">;
      scheduledId: Id<"_scheduled_functions">;
      createdAt: number;
    };
    fieldPaths: "_creationTime" | "_id" | "createdAt" | "jobId" | "scheduledId";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_job: ["jobId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  images: {
    document: {
      _id: Id<"images">;
      _creationTime: number;
      createdAt: number;
      updatedAt: number;
      userId: Id<"users">;
      generationJobId: Id<"generationJobs">;
      prompt: string;
      negativePrompt?: string;
      model: string;
      width: number;
      height: number;
      steps?: number;
      guidance?: number;
      seed?: number;
      s3Key: string;
      s3Bucket: string;
      cloudFrontUrl: string;
      thumbnailUrl?: string;
      blurDataUrl?: string;
      fileSizeBytes: number;
      mimeType: string;
      isPublic: boolean;
      tags?: Array<string>;
      views: number;
      downloads: number;
      isFlagged: boolean;
      flagReason?: string;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "blurDataUrl"
      | "cloudFrontUrl"
      | "createdAt"
      | "downloads"
      | "fileSizeBytes"
      | "flagReason"
      | "generationJobId"
      | "guidance"
      | "height"
      | "isFlagged"
      | "isPublic"
      | "mimeType"
      | "model"
      | "negativePrompt"
      | "prompt"
      | "s3Bucket"
      | "s3Key"
      | "seed"
      | "steps"
      | "tags"
      | "thumbnailUrl"
      | "updatedAt"
      | "userId"
      | "views"
      | "width";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_job: ["generationJobId", "_creationTime"];
      by_model: ["model", "_creationTime"];
      by_public: ["isPublic", "createdAt", "_creationTime"];
      by_user: ["userId", "_creationTime"];
      by_user_created: ["userId", "createdAt", "_creationTime"];
    };
    searchIndexes: {
      search_prompt: { searchField: "prompt"; filterFields: "userId" | "isPublic" };
    };
    vectorIndexes: {};
  };
  looseObjects: {
    document: {
      _id: Id<"looseObjects">;
      _creationTime: number;
      s3Key: string;
      s3Bucket: string;
      sweepAt: number;
      isDoomed: boolean;
      deletionId?: Id<"accountDeletions">;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "deletionId"
      | "isDoomed"
      | "s3Bucket"
      | "s3Key"
      | "sweepAt";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_key: ["s3Key", "_creationTime"];
      by_sweep: ["s3Bucket", "sweepAt", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  rateCounters: {
    document: {
      _id: Id<"rateCounters">;
      _creationTime: number;
      userId: Id<"users">;
      key: string;
      windowStart: number;
      count: number;
    };
    fieldPaths: "_creationTime" | "_id" | "count" | "key" | "userId" | "windowStart";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_key: ["key", "_creationTime"];
      by_user: ["userId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  stripeCustomers: {
    document: {
      _id: Id<"stripeCustomers">;
      _creationTime: number;
      userId: Id<"users">;
      customerId: string;
      createdAt: number;
    };
    fieldPaths: "_creationTime" | "_id" | "createdAt" | "customerId" | "userId";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_customer: ["customerId", "_creationTime"];
      by_id: ["_id"];
      by_user: ["userId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  stripeEvents: {
    document: {
      _id: Id<"stripeEvents">;
      _creationTime: number;
      eventId: string;
      type: string;
      customerId: string;
      objectId: string;
      at: number;
      createdAt: number;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "at"
      | "createdAt"
      | "customerId"
      | "eventId"
      | "objectId"
      | "type";
    indexes: {
      by_created: ["createdAt", "_creationTime"];
      by_creation_time: ["_creationTime"];
      by_customer: ["customerId", "_creationTime"];
      by_event_id: ["eventId", "_creationTime"];
      by_id: ["_id"];
      by_object: ["objectId", "at", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  usage: {
    document: {
      _id: Id<"usage">;
      _creationTime: number;
      createdAt: number;
      updatedAt: number;
      userId: Id<"users">;
      date: string;
      generationsCount: number;
      generationsSuccess: number;
      generationsFailed: number;
      creditsUsed: number;
      modelUsage: Record<string, number>;
      storageUsedBytes: number;
      imagesUploaded: number;
      imagesDeleted: number;
      apiRequestsCount: number;
      apiRequestsSuccess: number;
      apiRequestsFailed: number;
      estimatedCostUsd?: number;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "apiRequestsCount"
      | "apiRequestsFailed"
      | "apiRequestsSuccess"
      | "createdAt"
      | "creditsUsed"
      | "date"
      | "estimatedCostUsd"
      | "generationsCount"
      | "generationsFailed"
      | "generationsSuccess"
      | "imagesDeleted"
      | "imagesUploaded"
      | "modelUsage"
      | "storageUsedBytes"
      | "updatedAt"
      | "userId";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_date: ["date", "_creationTime"];
      by_id: ["_id"];
      by_user: ["userId", "_creationTime"];
      by_user_date: ["userId", "date", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  userTotals: {
    document: {
      _id: Id<"userTotals">;
      _creationTime: number;
      userId: Id<"users">;
      images: number;
      imagesByDay: Record<string, number>;
      generations: number;
      successfulGenerations: number;
      failedGenerations: number;
      updatedAt: number;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "failedGenerations"
      | "generations"
      | "images"
      | "imagesByDay"
      | "successfulGenerations"
      | "updatedAt"
      | "userId";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_user: ["userId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  users: {
    document: {
      _id: Id<"users">;
      _creationTime: number;
      createdAt: number;
      updatedAt: number;
      clerkId: string;
      email: string;
      firstName?: string;
      lastName?: string;
      username?: string;
      profileImage?: string;
      plan: "free" | "pro" | "enterprise";
      credits: number;
      stripeCustomerId?: string;
      stripeSubscriptionId?: string;
      subscriptionStatus?: "active" | "canceled" | "past_due" | "trialing";
      trialEndsAt?: number;
      storageUsedBytes: number;
      storageQuotaBytes: number;
      defaultModel?: string;
      emailNotifications: boolean;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "clerkId"
      | "createdAt"
      | "credits"
      | "defaultModel"
      | "email"
      | "emailNotifications"
      | "firstName"
      | "lastName"
      | "plan"
      | "profileImage"
      | "storageQuotaBytes"
      | "storageUsedBytes"
      | "stripeCustomerId"
      | "stripeSubscriptionId"
      | "subscriptionStatus"
      | "trialEndsAt"
      | "updatedAt"
      | "username";
    indexes: {
      by_clerk_id: ["clerkId", "_creationTime"];
      by_creation_time: ["_creationTime"];
      by_email: ["email", "_creationTime"];
      by_id: ["_id"];
      by_plan: ["plan", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  webhookDeliveries: {
    document: {
      _id: Id<"webhookDeliveries">;
      _creationTime: number;
      createdAt: number;
      updatedAt: number;
      userId: Id<"users">;
      webhookId: Id<"webhooks">;
      event:
        | "generation.started"
        | "generation.completed"
        | "generation.failed"
        | "credit.low"
        | "credit.depleted";
      payload: string;
      status: "pending" | "delivered" | "failed";
      attempts: number;
      responseStatus?: number;
      error?: string;
      nextAttemptAt: number;
      deliveredAt?: number;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "attempts"
      | "createdAt"
      | "deliveredAt"
      | "error"
      | "event"
      | "nextAttemptAt"
      | "payload"
      | "responseStatus"
      | "status"
      | "updatedAt"
      | "userId"
      | "webhookId";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_status: ["status", "nextAttemptAt", "_creationTime"];
      by_user: ["userId", "_creationTime"];
      by_webhook: ["webhookId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
  webhooks: {
    document: {
      _id: Id<"webhooks">;
      _creationTime: number;
      createdAt: number;
      updatedAt: number;
      userId: Id<"users">;
      url: string;
      events: Array<
        | "generation.started"
        | "generation.completed"
        | "generation.failed"
        | "credit.low"
        | "credit.depleted">;
      secret: string;
      isActive: boolean;
      failures: number;
      disabledAt?: number;
    };
    fieldPaths:
      | "_creationTime"
      | "_id"
      | "createdAt"
      | "disabledAt"
      | "events"
      | "failures"
      | "isActive"
      | "secret"
      | "updatedAt"
      | "url"
      | "userId";
    indexes: {
      by_creation_time: ["_creationTime"];
      by_id: ["_id"];
      by_user: ["userId", "_creationTime"];
    };
    searchIndexes: {};
    vectorIndexes: {};
  };
};

export type TableNames = TableNamesInDataModel<DataModel>;

/** A document of a table, as queries return it. */
export type Doc<TableName extends TableNames> = DocumentByName<DataModel, TableName>;

/** The id of a document: a string that knows its table. */
export type Id<TableName extends TableNames | SystemTableNames> = GenericId<TableName>;
