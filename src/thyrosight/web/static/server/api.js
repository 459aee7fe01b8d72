// Requests to the server: the token, typed errors, patience with a busy server, and pictures decoded.

const ROOT = new URL("api/v1/", document.baseURI);
const TOKEN_KEY = "thyrosight-token";
const MAX_TRIES = 20;
const MAX_WAIT_S = 30;

/** What the server, or the lack of one, answered: status (0: no answer), code and a message for people. */
export class ApiError extends Error {
  constructor(status, code, message, detail = null) {
    super(message);
    Object.assign(this, { status, code, detail });
  }

  get isOffline() {
    return this.status === 0;
  }
}

/** Events: `offline`, `online`, `busy` (detail: seconds until the next try). */
export const connection = new EventTarget();
let isOnline = true;
let askForToken = async () => null;
let asking = null;

/** Who asks for the token when the server wants one: (was it refused?) -> the token, or null. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

/** Path below api/v1, options of fetch and `onBusy` -> the Response, which is ok. */
export async function request(path, { onBusy, ...options } = {}) {
  for (let tries = 1; ; tries += 1) {
    const token = sessionStorage.getItem(TOKEN_KEY);
    const response = await send(path, options, token);
    if (response.ok) return response;
    if (response.status === 401 && (await renewToken(token, options.signal))) continue;
    if (response.status === 503 && tries < MAX_TRIES) {
      const seconds = waitOf(response);
      (onBusy ?? announceBusy)(seconds);
      await pause(seconds * 1000, options.signal);
      continue;
    }
    throw await errorOf(response);
  }
}

/** -> JSON of the answer. */
export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/** Sends JSON, -> JSON of the answer, null where it has no body. */
export async function sendJson(method, path, body, options = {}) {
  const headers = { "Content-Type": "application/json" };
  const response = await request(path, { method, headers, body: JSON.stringify(body), ...options });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** -> the picture, decoded without colour management. The caller closes it. */
export async function getPicture(path, options) {
  const blob = await (await request(path, options)).blob();
  try {
    return await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new ApiError(200, "picture", "The picture that the server sent can't be shown.");
  }
}

/** -> { blob, name }: a file to be saved, under the name that the server gives it. */
export async function getFile(path, fallbackName, options) {
  const response = await request(path, options);
  const named = /filename\*?=(?:UTF-8'')?"?([^";]+)"?/i.exec(response.headers.get("Content-Disposition") ?? "");
  const name = named ? decodeURIComponent(named[1]).replace(/[/\\]/g, "_") : fallbackName;
  return { blob: await response.blob(), name };
}

async function send(path, options, token) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  try {
    const response = await fetch(new URL(path, ROOT), { cache: "no-store", ...options, headers });
    setOnline(true);
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    setOnline(false);
    throw new ApiError(0, "offline", "The server does not answer.");
  }
}

function setOnline(is) {
  if (is === isOnline) return;
  isOnline = is;
  connection.dispatchEvent(new Event(is ? "online" : "offline"));
}

function announceBusy(seconds) {
  connection.dispatchEvent(new CustomEvent("busy", { detail: seconds }));
}

/** The token that was refused -> is there another to try; asks once, however many requests wait for the answer. */
async function renewToken(refused, signal) {
  signal?.throwIfAborted();
  if (sessionStorage.getItem(TOKEN_KEY) !== refused) return true;
  asking ??= askForToken(refused !== null).finally(() => {
    asking = null;
  });
  const token = await asking;
  if (token === null) return false;
  sessionStorage.setItem(TOKEN_KEY, token);
  return true;
}

function waitOf(response) {
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return Math.min(MAX_WAIT_S, Math.max(1, Number.isFinite(seconds) ? seconds : 2));
}

async function errorOf(response) {
  try {
    const { error } = await response.json();
    return new ApiError(response.status, error.code, error.message, error.detail ?? null);
  } catch {
    return new ApiError(
      response.status,
      "http",
      `The server answered ${response.status} ${response.statusText}.`.replace(" .", "."),
    );
  }
}

/** Milliseconds -> a promise that is kept then, or broken when the signal says so. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** The places of one frame. */
export const framePath = (itemId, frame, name) => `items/${encodeURIComponent(itemId)}/frames/${frame}/${name}`;
export const itemPath = (itemId, name) => `items/${encodeURIComponent(itemId)}/${name}`;
