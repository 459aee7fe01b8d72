// Requests to the server -> answers: with its token, typed errors, repeated while it is busy; pictures are decoded.

import { isSecondReader, readerName } from "../page/reader.js";

const ROOT = new URL("api/v1/", document.baseURI);
const TOKEN_KEY = "thyrosight-token";
const MAX_TRIES = 20;
const MAX_WAIT_S = 30;

/** An error of a request: status (0: no answer), code for programs, message for people. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {Api.ErrorFault[] | null} detail
   */
  constructor(status, code, message, detail = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.detail = detail;
  }

  get isOffline() {
    return this.status === 0;
  }
}

/**
 * @typedef {Omit<RequestInit, "headers"> & { onBusy?: (seconds: number) => void, headers?: Record<string, string> }}
 * Options of fetch
 */

/** Events: `offline`, `online`, `busy` (detail: seconds until the next try). */
export const connection = new EventTarget();
let isOnline = true;
/** @type {(wasRefused: boolean) => Promise<string | null>} */
let askForToken = async () => null;
/** @type {Promise<string | null> | null} */
let asking = null;

/**
 * Sets the function that asks for the token: (whether the last token was refused) -> the token, or null.
 * @param {typeof askForToken} ask
 */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

/**
 * Path below api/v1, options of fetch and `onBusy` -> a successful Response; any other becomes an ApiError.
 * @param {string} path
 * @param {Options} options
 */
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

/** -> JSON of the answer. @param {string} path @param {Options} [options] */
export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/**
 * Sends JSON, -> JSON of the answer, null where it has no body.
 * @param {string} method
 * @param {string} path
 * @param {unknown} body
 * @param {Options} options
 */
export async function sendJson(method, path, body, options = {}) {
  const headers = { "Content-Type": "application/json", ...options.headers };
  const response = await request(path, { ...options, method, headers, body: JSON.stringify(body) });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/**
 * -> the picture, decoded without colour management. The caller closes it.
 * @param {string} path
 * @param {Options} [options]
 */
export async function getPicture(path, options) {
  const blob = await (await request(path, options)).blob();
  try {
    return await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new ApiError(200, "picture", "The picture that the server sent can't be shown.");
  }
}

/**
 * -> { blob, name }: a file to be saved, under the name that the server gives it.
 * @param {string} path
 * @param {string} fallbackName
 * @param {Options} [options]
 */
export async function getFile(path, fallbackName, options) {
  const response = await request(path, options);
  const named = /filename\*?=(?:UTF-8'')?"?([^";]+)"?/i.exec(response.headers.get("Content-Disposition") ?? "");
  const name = named ? decodeURIComponent(named[1]).replace(/[/\\]/g, "_") : fallbackName;
  return { blob: await response.blob(), name };
}

/** @param {string} path @param {Options} options @param {string | null} token */
async function send(path, options, token) {
  /** @type {Record<string, string>} */
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (isSecondReader()) headers["Second-Reader"] = encodeURIComponent(readerName()); // the server hides the result too
  try {
    const response = await fetch(new URL(path, ROOT), { cache: "no-store", ...options, headers });
    setOnline(true);
    return response;
  } catch (error) {
    if (isAbort(error)) throw error;
    setOnline(false);
    throw new ApiError(0, "offline", "The server does not answer.");
  }
}

/** Whether the caller has aborted the request. @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

/** Any error -> an ApiError. @param {unknown} error */
export const asApiError = (error) =>
  error instanceof ApiError
    ? error
    : new ApiError(200, "fault", error instanceof Error ? error.message : String(error));

/** @param {boolean} is */
function setOnline(is) {
  if (is === isOnline) return;
  isOnline = is;
  connection.dispatchEvent(new Event(is ? "online" : "offline"));
}

/** @param {number} seconds */
function announceBusy(seconds) {
  connection.dispatchEvent(new CustomEvent("busy", { detail: seconds }));
}

/**
 * The refused token -> whether there is another token to try. The person is asked once, also where several requests
 * wait.
 * @param {string | null} refused
 * @param {AbortSignal | null | undefined} signal
 */
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

/** @param {Response} response */
function waitOf(response) {
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return Math.min(MAX_WAIT_S, Math.max(1, Number.isFinite(seconds) ? seconds : 2));
}

/** @param {Response} response */
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

/**
 * Milliseconds -> a promise that resolves then, or rejects when the signal aborts.
 * @param {number} milliseconds
 * @param {AbortSignal | null} [signal]
 * @returns {Promise<void>}
 */
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

/** @param {string} itemId @param {number} frame @param {string} name */
export const framePath = (itemId, frame, name) => `items/${encodeURIComponent(itemId)}/frames/${frame}/${name}`;
/** @param {string} itemId @param {string} name */
export const itemPath = (itemId, name) => `items/${encodeURIComponent(itemId)}/${name}`;
