// Lists that grow by pages, in jsdom: the hooks of `convex/react` and of `convex-helpers`, as an application uses them.
//
//   node pages.mjs <folder whose node_modules holds `convex`, `convex-helpers`, `react`, `react-dom`, `jsdom`>
//
// In:  {"id": 7, "do": "open" | "more" | "token" | "close", "client": "a", …}
// Out: {"n": 31, "reply": 7, "value": …}
//      {"n": 32, "event": "shown" | "wire" | "console", "client": "a", …}
// "shown" is the text of the list after each commit of React to it: its status, then its items.

import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { obeyLines, say, tapped } from "./telling.mjs";
import { place, require } from "./window.mjs";

const React = require("react"); // looks for `window` when it is loaded
const { createRoot } = require("react-dom/client");
// As modules, as `convex-helpers` finds them: `require` would give a second `convex` with another context.
const load = (path) => import(pathToFileURL(join(process.argv[2], "node_modules", path)));
const convex = await load("convex/dist/esm/react/index.js");
const { anyApi } = await load("convex/dist/esm/server/index.js");
const helpers = await load("convex-helpers/react.js");
const cache = await load("convex-helpers/react/cache/hooks.js");
const { ConvexQueryCacheProvider } = await load("convex-helpers/react/cache/provider.js");
const { createElement: h } = React;

const reference = (path) => path.split(":").reduce((at, part) => at[part], anyApi);

const HOOKS = {
  convex: convex.usePaginatedQuery,
  helpers: helpers.usePaginatedQuery,
  cached: cache.usePaginatedQuery,
  pinned: (query, args, options) => cache.usePaginatedQuery(query, args, { ...options, customPagination: true }),
};

function List({ page, usePages, path, args, size, show }) {
  const { results, status, loadMore } = usePages(reference(path), args, { initialNumItems: size });
  page.more = loadMore;
  return `${status}: ${results.map((item) => item[show]).join(" ")}`;
}

const pages = new Map();

const DO = {
  open({ client: name, kind, url, token, ...list }) {
    const client = new convex.ConvexReactClient(url, { webSocketConstructor: tapped(WebSocket, name) });
    if (token !== null) client.setAuth(async () => token);
    const page = { client, root: createRoot(place((text) => say({ event: "shown", client: name, text }))) };
    pages.set(name, page);
    const inner = h(List, { page, usePages: HOOKS[kind], ...list });
    const cached = kind === "cached" || kind === "pinned" ? h(ConvexQueryCacheProvider, null, inner) : inner;
    page.root.render(h(convex.ConvexProvider, { client }, cached));
  },
  more({ count }, page) {
    page.more(count);
  },
  token({ token }, page) {
    if (token === null) page.client.clearAuth();
    else page.client.setAuth(async () => token);
  },
  async close({ client: name }, page) {
    pages.delete(name);
    page.root.unmount();
    await page.client.close();
  },
};

async function obey(order) {
  try {
    await DO[order.do](order, pages.get(order.client));
    say({ reply: order.id, value: null });
  } catch (error) {
    say({ reply: order.id, error: { name: error.name, message: String(error.stack) } });
  }
}

obeyLines(obey);
