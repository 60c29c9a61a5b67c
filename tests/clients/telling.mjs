// What the drivers have in common: one JSON object a line, in and out; a socket that tells what passes over it.

import { createInterface } from "node:readline";
import { format } from "node:util";

let said = 0;
export function say(message) {
  process.stdout.write(JSON.stringify({ n: said++, ...message }) + "\n");
}

for (const level of ["debug", "log", "info", "warn", "error"]) {
  console[level] = (...args) => say({ event: "console", level, text: format(...args) });
}
process.on("uncaughtException", (error) => say({ event: "console", level: "uncaught", text: String(error.stack) }));
process.on("unhandledRejection", (error) => say({ event: "console", level: "uncaught", text: String(error.stack) }));

// What passes over the socket, without the values, which may be long.
function outline(text) {
  const message = JSON.parse(text);
  const { result, args, chunk, ...rest } = message;
  if (rest.modifications) rest.modifications = rest.modifications.map(({ value, args: _args, ...kept }) => kept);
  return { ...rest, length: text.length };
}

export function tapped(Socket, name) {
  return class extends Socket {
    constructor(...args) {
      super(...args);
      let parts = "";
      this.addEventListener("message", (event) => {
        say({ event: "wire", client: name, to: "client", message: outline(event.data) });
        const part = JSON.parse(event.data);
        if (part.type !== "TransitionChunk") return;
        parts += part.chunk;
        if (part.partNumber + 1 < part.totalParts) return;
        say({ event: "wire", client: name, to: "client", message: { ...outline(parts), parts: part.totalParts } });
        parts = "";
      });
      this.addEventListener("close", (event) => say({ event: "wire", client: name, to: "client", message: { type: "close", code: event.code, reason: event.reason } }));
    }
    send(data) {
      say({ event: "wire", client: name, to: "server", message: outline(data) });
      super.send(data);
    }
  };
}

// Give each order of stdin to `obey`; end with stdin.
export function obeyLines(obey) {
  const orders = createInterface({ input: process.stdin });
  orders.on("line", (line) => void obey(JSON.parse(line)));
  orders.on("close", () => process.exit(0));
}
