/* eslint-disable */
// Written by reactor from schema.py and functions/: edit those, not this file.

import { anyApi } from "convex/server";

export const api = anyApi;
export const internal = anyApi;
