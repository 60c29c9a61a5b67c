// A page in jsdom: React, the Convex provider an application would use, and an auth provider the tests turn.
//
//   node react.mjs <folder whose node_modules holds `convex`, `react`, `react-dom`, `jsdom`>
//
// In:  {"id": 7, "do": "open" | "provider" | "write" | "close", "client": "a", …}
// Out: {"n": 31, "reply": 7, "value": …}
//      {"n": 32, "event": "shown" | "getToken" | "wire" | "console", "client": "a", …}
// "shown" is the text of the page after each commit of React to it.

import { obeyLines, say, tapped } from "./telling.mjs";
import { dom, place as newPlace, require } from "./window.mjs";

const React = require("react"); // looks for `window` when it is loaded
const { createRoot } = require("react-dom/client");
const convex = require("convex/react");
const { ConvexProviderWithClerk } = require("convex/react-clerk");
const { anyApi } = require("convex/server");
const { createElement: h, useCallback, useState, useSyncExternalStore } = React;

// ── the application ─────────────────────────────────────────────────────────────────────────────────────────────────

function Page() {
  const { isLoading, isAuthenticated } = convex.useConvexAuth();
  const who = convex.useQuery(anyApi.people.whoami);
  return h(
    "main",
    null,
    h("p", null, isLoading ? "loading. " : isAuthenticated ? "signed in. " : "signed out. "),
    h("p", null, who === undefined ? "" : `I am ${who ?? "nobody"}. `),
    h(convex.Authenticated, null, h(Notes)),
  );
}

function Notes() {
  const notes = convex.useQuery(anyApi.people.mine);
  const write = convex.useMutation(anyApi.people.write);
  const [text, setText] = useState("");
  return h(
    "section",
    null,
    h("input", { value: text, onChange: (event) => setText(event.target.value) }),
    h("button", { onClick: () => void write({ text }) }, "write"),
    notes === undefined ? "" : `: ${notes.join(", ")}.`,
  );
}

// ── the auth provider ───────────────────────────────────────────────────────────────────────────────────────────────

// What Clerk's `useAuth` gives, from a state that the tests set. Tokens come from the address in `from`, and are kept
// until one is asked for that must not come from the cache.
class Provider {
  constructor(name, from) {
    this.name = name;
    this.from = from;
    this.state = { isLoaded: false, isSignedIn: undefined, sessionId: undefined };
    this.listeners = new Set();
    this.cached = null;
  }

  set(state) {
    this.cached = null;
    this.state = { ...this.state, ...state };
    for (const listener of this.listeners) listener();
  }

  getToken = async ({ template, skipCache }) => {
    say({ event: "getToken", client: this.name, template: template ?? null, fresh: skipCache });
    if (skipCache || this.cached === null) this.cached = await (await fetch(this.from)).json();
    return this.cached;
  };

  use = () =>
    useSyncExternalStore(
      (listener) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      },
      () => this.state,
    );
}

const ROOTS = {
  // As `<ConvexProviderWithClerk client={convex} useAuth={useAuth}>` with Clerk's own hook.
  clerk(provider, client) {
    const useAuth = () => {
      const { isLoaded, isSignedIn, sessionId } = provider.use();
      return { isLoaded, isSignedIn, sessionId, getToken: provider.getToken, orgId: null, orgRole: null, sessionClaims: {} };
    };
    return h(ConvexProviderWithClerk, { client, useAuth }, h(Page));
  },
  auth(provider, client) {
    const useAuth = () => {
      const { isLoaded, isSignedIn } = provider.use();
      const fetchAccessToken = useCallback(({ forceRefreshToken }) => provider.getToken({ skipCache: forceRefreshToken }), []);
      return { isLoading: !isLoaded, isAuthenticated: isSignedIn ?? false, fetchAccessToken };
    };
    return h(convex.ConvexProviderWithAuth, { client, useAuth }, h(Page));
  },
};

// ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const pages = new Map();

const DO = {
  open({ client: name, kind, url, from }) {
    const client = new convex.ConvexReactClient(url, { webSocketConstructor: tapped(WebSocket, name) });
    const provider = new Provider(name, from);
    const place = newPlace((text) => say({ event: "shown", client: name, text }));
    const root = createRoot(place);
    root.render(h(React.StrictMode, null, ROOTS[kind](provider, client)));
    pages.set(name, { client, provider, place, root });
  },
  provider({ state }, page) {
    page.provider.set(state);
  },
  write({ text }, page) {
    const input = page.place.querySelector("input");
    // As a keyboard would: React listens to the element's own setter.
    Object.getOwnPropertyDescriptor(dom.window.HTMLInputElement.prototype, "value").set.call(input, text);
    input.dispatchEvent(new dom.window.Event("input", { bubbles: true }));
    setTimeout(() => page.place.querySelector("button").click());
  },
  async close({ client: name }, page) {
    pages.delete(name);
    page.root.unmount();
    page.place.remove();
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
