// A browser's window from jsdom, for React to find. Import it before anything that loads React.

import { createRequire } from "node:module";

export const require = createRequire(process.argv[2] + "/");
const { JSDOM } = require("jsdom");

export const dom = new JSDOM("<!doctype html><body></body>", { url: "http://localhost/", pretendToBeVisual: true });
for (const name of ["window", "document", "navigator", "HTMLElement", "Node", "MutationObserver"]) {
  Object.defineProperty(globalThis, name, { value: dom.window[name], configurable: true, writable: true });
}

// Call `shown` with the text of a new place in the page, after each commit of React that changes it.
export function place(shown) {
  const made = document.body.appendChild(document.createElement("div"));
  let last = null;
  new MutationObserver(() => {
    if (made.textContent !== last) shown((last = made.textContent));
  }).observe(made, { childList: true, characterData: true, subtree: true });
  return made;
}
