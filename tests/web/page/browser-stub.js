// What the pure modules of the page ask of a browser when they are loaded; to be imported before them.

const elements = new Map();
const element = () => ({ textContent: "", className: "", hidden: true, classList: { contains: () => false } });
const getElementById = (id) => elements.get(id) ?? elements.set(id, element()).get(id);
globalThis.document = { baseURI: "http://page.test/", getElementById };
const stored = new Map();
globalThis.localStorage = {
  getItem: (name) => stored.get(name) ?? null,
  setItem: (name, value) => stored.set(name, value),
  removeItem: (name) => stored.delete(name),
};
globalThis.sessionStorage = globalThis.localStorage;

/** JSON answers, one per request in order -> what was asked of the server. */
export function answering(...answers) {
  const asked = [];
  globalThis.fetch = async (url, { method = "GET", body = null, headers = {} } = {}) => {
    const one = { method, path: new URL(url).pathname, body: body && JSON.parse(body) };
    asked.push(Object.defineProperty(one, "headers", { value: headers })); // there to be asked for, not compared
    const { status = 200, json = null } = answers.shift() ?? {};
    return new Response(status === 204 ? null : JSON.stringify(json), { status });
  };
  return asked;
}
