// Calls to the service: the key, waiting while models load, and errors as sentences.

import { h, showDialog } from "./dom.js";

const LONGEST_WAIT_MS = 120_000;
let key = sessionStorage.getItem("catalens-key");

/** A request that failed, as a sentence that names the cure. */
export class CallError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Send a request and return its JSON. */
export async function call(path, options = {}) {
  const response = await send(path, options);
  return response.json();
}

/** Send a picture, and return what a route says of it. */
export function ask(route, picture, query = {}, signal = undefined) {
  return call(`/v1/${route}`, {
    method: "POST",
    query,
    body: picture,
    type: picture.type.startsWith("image/") ? picture.type : "application/octet-stream",
    signal,
  });
}

/** Send JSON to a route. */
export function post(path, body, signal = undefined) {
  return call(path, { method: "POST", body: JSON.stringify(body), type: "application/json", signal });
}

/** Return the path of a record's part of a catalogue. */
export function recordPath(catalogue, part, id) {
  return `/v1/catalogues/${encodeURIComponent(catalogue)}/${part}/${encodeURIComponent(id)}`;
}

/** Return the picture of a record. */
export async function recordPicture(catalogue, id, size, signal = undefined) {
  const response = await send(recordPath(catalogue, "pictures", id), { query: { size }, signal });
  return response.blob();
}

async function send(path, { method = "GET", query = {}, body, type, signal }) {
  const parameters = new URLSearchParams(
    Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== ""),
  );
  const address = parameters.size ? `${path}?${parameters}` : path;
  const started = performance.now();
  for (;;) {
    const response = await once(address, method, body, type, signal);
    if (response.ok) return response;
    if (response.status === 401) {
      await askForKey();
      continue;
    }
    const problem = await response.json().catch(() => ({}));
    const after = Number(response.headers.get("retry-after"));
    const waits = [429, 503].includes(response.status) && after > 0;
    if (!waits || performance.now() - started > LONGEST_WAIT_MS) {
      throw new CallError(sentence(problem.detail, response.status), response.status);
    }
    await pause(after * 1000, signal);
  }
}

async function once(address, method, body, type, signal) {
  const headers = {};
  if (type) headers["content-type"] = type;
  if (key) headers.authorization = `Bearer ${key}`;
  const cache = method === "GET" ? "default" : "no-store";
  try {
    // oxlint-disable-next-line unicorn/no-invalid-fetch-options -- it takes every method for GET; a GET has no body here
    return await fetch(address, { method, headers, body, signal, cache });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new CallError("The service cannot be reached. Check that catalens still runs, and try again.", 0);
  }
}

function sentence(detail, status) {
  if (!detail) return `The service answered ${status}. Try again; its log says more.`;
  const text = detail.charAt(0).toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("cancelled", "AbortError"));
    });
  });
}

let asking = null;

function askForKey() {
  asking ??= new Promise((resolve) => {
    const field = h("input", { type: "password", autocomplete: "current-password", required: true, name: "key" });
    const form = h(
      "form",
      { method: "dialog", class: "column" },
      h("label", { class: "field" }, "This service asks for a key", field),
      h("button", { class: "primary" }, "Continue"),
    );
    const dialog = showDialog("Key", form);
    dialog.addEventListener("close", () => {
      key = field.value.trim();
      sessionStorage.setItem("catalens-key", key);
      asking = null;
      resolve();
    });
  });
  return asking;
}
