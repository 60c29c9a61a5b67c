"use strict";

// ── the sync protocol, as little of it as a page needs ──────────────────────────────────────────────────────────────

class SyncClient {
  constructor(url, onState) {
    this.url = url;
    this.onState = onState;
    this.session = uuid();
    this.queries = new Map(); // id → {path, args, journal, onResult}: sent again on every socket
    this.requests = new Map(); // id → {type, path, args, sent, done}: until answered
    this.nextQuery = this.nextRequest = this.connections = this.failures = 0;
    this.closeReason = "InitialConnect";
    this.observed = undefined; // the newest timestamp seen, as it came
    this.open();
  }

  open() {
    this.onState("connecting");
    const socket = (this.socket = new WebSocket(this.url));
    this.querySet = 0;
    this.version = null; // of the last Transition on this socket
    this.watch();
    socket.onopen = () => {
      this.say({ type: "Connect", sessionId: this.session, connectionCount: this.connections++,
        lastCloseReason: this.closeReason, clientTs: Date.now(), maxObservedTimestamp: this.observed });
      this.modify([...this.queries].map(([id, query]) => this.addition(id, query)));
      for (const [id, request] of this.requests) this.submit(id, request);
      this.onState("connected");
    };
    socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    socket.onclose = (event) => {
      clearTimeout(this.watchdog);
      if (this.stopped) return;
      this.closeReason = event.reason || "closed with code " + event.code;
      for (const [id, request] of this.requests) { // an action that was under way may have run: it is not sent twice
        if (request.type === "Action" && request.sent) this.settle(id, { error: "Connection lost while the action ran" });
      }
      const wait = Math.min(16000, 500 * 2 ** this.failures++) * (0.5 + Math.random());
      this.onState("reconnecting");
      setTimeout(() => this.open(), wait);
    };
  }

  watch() { // the server says something at least every 15 s
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.socket.close(4000, "InactiveServer"), 60000);
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  get up() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  addition(id, query) {
    return { type: "Add", queryId: id, udfPath: query.path, args: [query.args], journal: query.journal };
  }

  modify(modifications) {
    this.say({ type: "ModifyQuerySet", baseVersion: this.querySet, newVersion: ++this.querySet, modifications });
  }

  subscribe(path, args, onResult) {
    const id = this.nextQuery++;
    const query = { path, args, journal: null, onResult };
    this.queries.set(id, query);
    if (this.up) this.modify([this.addition(id, query)]);
    return () => {
      this.queries.delete(id);
      if (this.up) this.modify([{ type: "Remove", queryId: id }]);
    };
  }

  request(type, path, args) {
    return new Promise((done) => {
      const id = this.nextRequest++;
      const request = { type, path, args, sent: false, done };
      this.requests.set(id, request);
      if (this.up) this.submit(id, request);
    });
  }

  submit(id, request) {
    request.sent = true;
    this.say({ type: request.type, requestId: id, udfPath: request.path, args: [request.args] });
  }

  settle(id, answer) {
    const request = this.requests.get(id);
    this.requests.delete(id);
    if (request) request.done(answer);
  }

  hear(message) {
    this.watch();
    if (message.type === "Transition") {
      const start = JSON.stringify(message.startVersion);
      if (this.version !== null && start !== this.version) return this.socket.close(4001, "VersionMismatch");
      this.version = JSON.stringify(message.endVersion);
      this.observed = message.endVersion.ts;
      this.failures = 0;
      for (const change of message.modifications) {
        const query = this.queries.get(change.queryId);
        if (!query || change.type === "QueryRemoved") continue;
        query.journal = change.journal;
        query.onResult(change.type === "QueryUpdated"
          ? { value: change.value, logs: change.logLines }
          : { error: change.errorMessage, data: change.errorData, logs: change.logLines });
      }
    } else if (message.type === "MutationResponse" || message.type === "ActionResponse") {
      this.settle(message.requestId, message.success
        ? { value: message.result, logs: message.logLines }
        : { error: message.result, data: message.errorData, logs: message.logLines });
    } else if (message.type === "FatalError") {
      this.stopped = true;
      this.onState("stopped", message.error);
    }
  }
}

function uuid() { // crypto.randomUUID exists on https and localhost only
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// ── the page ────────────────────────────────────────────────────────────────────────────────────────────────────────

const $ = (id) => document.getElementById(id);
const here = new URL("./", location.href);
const sync = new URL("api/sync", here);
sync.protocol = sync.protocol === "https:" ? "wss:" : "ws:";

const client = new SyncClient(sync.href, (state, detail) => {
  $("state").dataset.state = state;
  $("state-text").textContent = detail ? state + ": " + detail : state;
});

let functions = [];
let chosen = null;
let unsubscribe = null;

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function show() {
  const wanted = $("filter").value.toLowerCase();
  const found = functions.filter((each) => each.path.toLowerCase().includes(wanted));
  $("functions").replaceChildren(...found.map((each) => {
    const button = element("button", { type: "button" },
      element("span", { className: "kind", textContent: each.kind }), element("code", {}, ...breakable(each.path)));
    button.dataset.path = each.path;
    button.onclick = () => (location.hash = encodeURIComponent(each.path));
    return element("li", {}, button);
  }));
  mark();
  $("none").hidden = found.length > 0;
  $("none").textContent = functions.length ? "No function has that in its name." : "No public functions yet.";
}

function mark() {
  for (const button of $("functions").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.path === chosen?.path));
  }
}

function breakable(path) { // a long path may break after the module and its folders
  return path.split(/(?<=[/:])/).flatMap((part) => [part, document.createElement("wbr")]);
}

function choose(next) {
  stop();
  chosen = next;
  $("welcome").hidden = true;
  $("form").hidden = false;
  $("kind").textContent = next.kind;
  $("path").textContent = next.path;
  $("doc").textContent = next.doc;
  $("doc").hidden = !next.doc;
  $("args").hidden = next.args.length === 0;
  $("args").tBodies[0].replaceChildren(...next.args.map((each) => element("tr", {},
    element("td", {}, element("code", { textContent: each.name + (each.optional ? "?" : "") })),
    element("td", {}, element("code", { textContent: each.type })))));
  $("returns-line").hidden = !next.returns;
  $("returns").textContent = next.returns ?? "";
  const blank = Object.fromEntries(next.args.filter((each) => !each.optional).map((each) => [each.name, guess(each.type)]));
  $("json").value = JSON.stringify(blank, null, 2);
  $("problem").textContent = "";
  $("go").textContent = next.kind === "query" ? "Subscribe" : "Run";
  $("results").replaceChildren();
  mark();
}

function guess(type) {
  if (type.startsWith("v.number")) return 0;
  if (type.startsWith("v.boolean")) return false;
  if (type.startsWith("v.array")) return [];
  if (/^v\.(object|record)/.test(type)) return {};
  return type.startsWith("v.null") ? null : "";
}

function stop() {
  if (unsubscribe) unsubscribe();
  unsubscribe = null;
  $("stop").hidden = true;
}

function report(title, since, answer) {
  const failed = "error" in answer;
  const text = failed
    ? answer.error + (answer.data === undefined ? "" : "\ndata: " + JSON.stringify(answer.data, null, 2))
    : JSON.stringify(answer.value, null, 2);
  const time = new Date().toLocaleTimeString([], { hour12: false }) + "." + String(Date.now() % 1000).padStart(3, "0");
  const item = element("li", { className: failed ? "error" : "" },
    element("div", { className: "head" }, element("b", { textContent: title }), element("span", { textContent: time }),
      element("span", { textContent: since === null ? "" : Math.round(performance.now() - since) + " ms" })),
    element("pre", { textContent: text.length > 200000 ? text.slice(0, 200000) + "\n… cut here" : text, tabIndex: 0 }));
  if (answer.logs?.length) item.append(element("pre", { className: "logs", textContent: answer.logs.join("\n") }));
  $("results").prepend(item);
  while ($("results").children.length > 50) $("results").lastChild.remove();
}

function call() {
  let args;
  try {
    args = JSON.parse($("json").value || "{}");
    if (typeof args !== "object" || args === null || Array.isArray(args)) throw new Error("it must be an object");
    $("problem").textContent = "";
  } catch (error) {
    $("problem").textContent = "These are no arguments: " + error.message;
    $("json").focus();
    return;
  }
  const since = performance.now();
  if (chosen.kind !== "query") {
    const { kind, path } = chosen;
    client.request(kind === "mutation" ? "Mutation" : "Action", path, args).then((answer) => {
      if (chosen.path === path) report(kind, since, answer);
    });
    return;
  }
  stop();
  let pushes = 0;
  let last = null;
  $("results").replaceChildren();
  unsubscribe = client.subscribe(chosen.path, args, (answer) => {
    const told = JSON.stringify(answer);
    if (told === last) return; // a new socket tells everything again
    last = told;
    report(pushes === 0 ? "result" : "push " + pushes, pushes++ === 0 ? since : null, answer);
  });
  $("stop").hidden = false;
}

function follow() {
  const path = decodeURIComponent(location.hash.slice(1));
  const found = functions.find((each) => each.path === path);
  if (found) choose(found);
  return found;
}

$("origin").textContent = here.href.replace(/\/$/, "");
$("filter").oninput = show;
$("stop").onclick = () => { stop(); $("go").focus(); };
$("form").onsubmit = (event) => { event.preventDefault(); call(); };
$("json").onkeydown = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); call(); }
};
onhashchange = () => { if (follow()) $("call").focus(); };
fetch(new URL("api/_reactor/functions", here)).then((response) => response.json()).then((answer) => {
  functions = answer.functions;
  $("instance").textContent = document.title = answer.instance;
  show();
  follow();
}).catch(() => {
  $("none").hidden = false;
  $("none").textContent = "The list of functions could not be read. Reload the page to try again.";
});
