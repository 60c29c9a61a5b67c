// Holds real Convex clients in Node and does what the tests say: one JSON object a line on stdin, one a line on stdout.
//
//   node driver.mjs <folder whose node_modules holds `convex`>
//
// In:  {"id": 7, "do": "mutation", "client": "a", "path": "messages:send", "args": …}
// Out: {"n": 31, "reply": 7, "value": …} or {"n": 31, "reply": 7, "error": {"name", "message", "data"?}}
//      {"n": 32, "event": "result" | "failed" | "view" | "wire" | "console" | "connection", "client": "a", …}
// `n` counts everything said, so that the order of what happened can be asserted. Values travel in a lossless form of
// our own (see lossless.py), not in the one under test.

import { createRequire } from "node:module";

import { obeyLines, say, tapped } from "./telling.mjs";

const require = createRequire(process.argv[2] + "/");
const { ConvexClient, ConvexHttpClient, BaseConvexClient } = require("convex/browser");
const { anyApi } = require("convex/server");
const NodeWebSocket = require("ws").WebSocket;

// ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function encode(value) {
  if (value === undefined) return { $undefined: 1 };
  if (typeof value === "bigint") return { $bigint: value.toString() };
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { $number: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(encode);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encode(item)]));
  }
  return value;
}

function decode(tree) {
  if (Array.isArray(tree)) return tree.map(decode);
  if (tree === null || typeof tree !== "object") return tree;
  if ("$undefined" in tree) return undefined;
  if ("$bigint" in tree) return BigInt(tree.$bigint);
  if ("$number" in tree) return Number(tree.$number);
  if ("$bytes" in tree) return new Uint8Array(Buffer.from(tree.$bytes, "hex")).buffer;
  return Object.fromEntries(Object.entries(tree).map(([key, item]) => [key, decode(item)]));
}

function describe(error) {
  const told = { name: error.name ?? "Error", message: String(error.message ?? error) };
  // As applications tell them apart: a ConvexError has `data`, other errors have none.
  return "data" in error ? { ...told, data: encode(error.data) } : told;
}

// `api.dir.module.name`, as an application would write it, for "dir/module:name".
function reference(path) {
  const [modules, name] = path.split(":");
  return [...modules.split("/"), name ?? "default"].reduce((at, part) => at[part], anyApi);
}

// ── clients ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const clients = new Map(); // name → {client, subscriptions: Map(label → {read, stop})}

const OPEN = {
  live({ client: name, url, socket }) {
    const client = new ConvexClient(url, { webSocketConstructor: tapped(socket === "ws" ? NodeWebSocket : WebSocket, name) });
    follow(name, client.client);
    return client;
  },
  base({ client: name, url }) {
    const client = new BaseConvexClient(url, () => {}, { webSocketConstructor: tapped(WebSocket, name) });
    follow(name, client);
    return client;
  },
  http({ url }) {
    return new ConvexHttpClient(url);
  },
};

// Tell what all subscriptions of a client show at each of its transitions, local ones included.
function follow(name, base) {
  base.addOnTransitionHandler(({ queries, reflectedMutations }) => {
    const held = clients.get(name);
    if (held?.views) {
      say({ event: "view", client: name, changed: queries.length, settled: reflectedMutations.length, values: look(held) });
    }
  });
  base.subscribeToConnectionState(({ isWebSocketConnected, connectionCount }) =>
    say({ event: "connection", client: name, connected: isWebSocketConnected, count: connectionCount }),
  );
}

// What the subscriptions show at this moment; a failed one shows its error.
function look(held) {
  const values = {};
  for (const [label, { read }] of held.subscriptions) {
    try {
      values[label] = encode(read());
    } catch (error) {
      values[label] = { failed: describe(error) };
    }
  }
  return values;
}

function optimistic(steps) {
  if (!steps) return undefined;
  return (store) => {
    for (const { path, args, append } of steps) {
      const now = store.getQuery(reference(path), decode(args));
      if (now !== undefined) store.setQuery(reference(path), decode(args), [...now, decode(append)]);
    }
  };
}

function subscribe(name, held, label, path, args) {
  const told = (event) => say({ ...event, client: name, sub: label });
  if (held.client instanceof BaseConvexClient) {
    const { unsubscribe } = held.client.subscribe(path, args);
    return { read: () => held.client.localQueryResult(path, args), stop: unsubscribe };
  }
  const stop = held.client.onUpdate(
    reference(path),
    args,
    (value) => told({ event: "result", value: encode(value) }),
    (error) => told({ event: "failed", error: describe(error) }),
  );
  return { read: () => stop.getCurrentValue(), stop };
}

const DO = {
  open(order) {
    const held = { subscriptions: new Map(), views: order.views ?? false };
    held.client = OPEN[order.kind](order);
    clients.set(order.client, held);
  },
  subscribe({ client, sub, path, args }, held) {
    held.subscriptions.set(sub, subscribe(client, held, sub, path, decode(args)));
  },
  paginate({ client, sub, path, args, items }, held) {
    const told = (event) => say({ ...event, client, sub });
    let page;
    const stop = held.client.onPaginatedUpdate_experimental(
      reference(path),
      decode(args),
      { initialNumItems: items },
      (value) => {
        page = value;
        told({ event: "result", value: encode({ results: value.results, status: value.status }) });
      },
      (error) => told({ event: "failed", error: describe(error) }),
    );
    held.subscriptions.set(sub, { read: () => stop.getCurrentValue()?.results, stop, more: (count) => page.loadMore(count) });
  },
  more({ sub, items }, held) {
    return held.subscriptions.get(sub).more(items);
  },
  unsubscribe({ sub }, held) {
    held.subscriptions.get(sub).stop();
    held.subscriptions.delete(sub);
  },
  query({ path, args }, held) {
    return held.client.query(reference(path), decode(args));
  },
  consistentQuery({ path, args }, held) {
    return held.client.consistentQuery(reference(path), decode(args));
  },
  mutation({ path, args, optimistic: steps }, held) {
    return held.client.mutation(reference(path), decode(args), steps ? { optimisticUpdate: optimistic(steps) } : undefined);
  },
  action({ path, args }, held) {
    return held.client.action(reference(path), decode(args));
  },
  function({ path, args }, held) {
    return held.client.function(path, undefined, decode(args));
  },
  actAs({ key, identity }, held) {
    held.client.setAdminAuth(key, identity ? decode(identity) : undefined);
  },
  // As an application with an auth provider: `from` gives a token (JSON) each time it is asked.
  setAuth({ client: name, from }, held) {
    const fetchToken = async ({ forceRefreshToken }) => {
      say({ event: "fetchToken", client: name, fresh: forceRefreshToken });
      return await (await fetch(from)).json();
    };
    const told = (authenticated) => say({ event: "auth", client: name, authenticated });
    held.client.setAuth(fetchToken, told);
  },
  useToken({ token }, held) {
    if (held.client instanceof ConvexHttpClient) return held.client.setAuth(token);
    return new Promise((confirmed) => held.client.setAuth(async () => token, confirmed)).then(() => undefined);
  },
  signOut(_order, held) {
    (held.client instanceof ConvexClient ? held.client.client : held.client).clearAuth();
  },
  connection(_order, held) {
    const { isWebSocketConnected, connectionCount } = held.client.client.connectionState();
    return { connected: isWebSocketConnected, count: connectionCount };
  },
  // As a browser's upload or <img>: the body travels as hex.
  async fetch({ url, method, headers, body }) {
    const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : Buffer.from(body, "hex") });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return { status: answer.status, headers: Object.fromEntries(answer.headers), body: bytes.toString("hex") };
  },
  async close({ client }, held) {
    clients.delete(client);
    await held.client.close?.();
  },
};

async function obey(order) {
  const held = clients.get(order.client);
  try {
    const value = await DO[order.do](order, held);
    // At this very moment the application knows that its call is done: what do its subscriptions show?
    const shown = order.look ? { shown: look(held) } : {};
    say({ reply: order.id, value: encode(value), ...shown });
  } catch (error) {
    const shown = order.look ? { shown: look(held) } : {};
    say({ reply: order.id, error: describe(error), ...shown });
  }
}

obeyLines(obey);
