// The console: what a platform is asked, and what becomes of it, in one page without a build step. Everything that
// comes from the platform is put into the page as text, never as markup.
"use strict";

const main = document.getElementById("main");

/** An element with properties and children. */
function el(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** What says who asks, where the edge wants to know; kept in this page, and gone with it. */
let token = "";

/** One request; what was answered, with its status. */
async function ask(method, path, body) {
  const options = { method, headers: {} };
  if (token) options.headers.authorization = `Bearer ${token}`;
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  const response = await fetch(path, options);
  // Nobody is known, or not as an operator: whoever looks on may say who it is.
  if ([401, 403].includes(response.status)) document.getElementById("who").hidden = false;
  const text = await response.text();
  let json = null;
  try { json = text ? JSON.parse(text) : null; } catch { json = text; }
  return { status: response.status, ok: response.ok, text, json, id: response.headers.get("rkcy-id") };
}

let documentOf = null;
async function openapi() {
  documentOf ??= (await ask("GET", "/openapi.json")).json;
  return documentOf;
}

// ---- overview

/** The samples of a text in Prometheus' format: name, labels, value. */
function samples(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) continue;
    const labels = {};
    for (const [, key, value] of (match[2] ?? "").matchAll(/([a-z_]+)="([^"]*)"/g)) labels[key] = value;
    found.push({ name: match[1], labels, value: Number(match[3]) });
  }
  return found;
}

let before = null;
async function overview() {
  const all = samples((await ask("GET", "/metrics")).text);
  const now = performance.now();
  const only = (name) => all.filter((one) => one.name === name);
  const sum = (list) => list.reduce((total, one) => total + one.value, 0);
  const requests = only("rkcy_edge_requests_total");
  const total = sum(requests);
  const failed = sum(requests.filter((one) => one.labels.status >= "500"));
  const rate = before && now > before.now ? ((total - before.total) * 1000) / (now - before.now) : null;
  before = { total, now };
  const card = (name, value) => el("div", { class: "card" }, el("dt", {}, name), el("dd", {}, value));
  const number = (value) => Math.round(value).toLocaleString("en");
  const cards = el("dl", { class: "cards" },
    card("Requests a second", rate === null ? "…" : rate.toFixed(1)),
    card("Requests answered", number(total)),
    card("Of them by 5xx", number(failed)),
    card("Open connections", number(sum(only("rkcy_edge_connections")))),
    card("Rows written to the database", number(sum(only("rkcy_rows_stored")))));
  const routes = new Map();
  for (const one of requests) {
    const key = `${one.labels.method} ${one.labels.route}`;
    const route = routes.get(key) ?? { answered: 0, refused: 0, seconds: 0 };
    route.answered += one.value;
    if (one.labels.status >= "400") route.refused += one.value;
    routes.set(key, route);
  }
  for (const one of only("rkcy_edge_request_duration_seconds_sum")) {
    const route = routes.get(`${one.labels.method} ${one.labels.route}`);
    if (route) route.seconds += one.value;
  }
  const rows = [...routes].sort((one, other) => other[1].answered - one[1].answered);
  const table = el("table", {},
    el("thead", {}, el("tr", {}, el("th", {}, "Path"), el("th", { class: "number" }, "Answered"),
      el("th", { class: "number" }, "Not done"), el("th", { class: "number" }, "Mean, ms"))),
    el("tbody", {}, ...rows.map(([name, route]) => el("tr", {}, el("td", {}, el("code", {}, name)),
      el("td", { class: "number" }, number(route.answered)), el("td", { class: "number" }, number(route.refused)),
      el("td", { class: "number" }, ((route.seconds * 1000) / route.answered).toFixed(2))))));
  return [el("h2", {}, "Overview"), cards, el("div", { class: "scroll" }, table)];
}

// ---- asking

/** Operations by what they belong to. */
function operations(api) {
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of ["post", "get", "patch", "delete"]) {
      const op = item[method];
      if (!op || op.operationId.startsWith("rkcy.")) continue;
      const tag = op.tags?.[0] ?? "";
      const parameters = [...(item.parameters ?? []), ...(op.parameters ?? [])].filter((one) => !one.$ref);
      groups.set(tag, [...(groups.get(tag) ?? []), { ...op, path, method: method.toUpperCase(), parameters }]);
    }
  }
  return groups;
}

function resolved(api, schema) {
  if (!schema?.$ref) return schema ?? {};
  const { $ref, ...rest } = schema;
  return { ...api.components.schemas[$ref.split("/").pop()], ...rest };
}

let fields = 0;
/** The inputs for a value, and how it is read from them. `undefined` is left out. */
function input(api, name, raw, required, path) {
  let schema = resolved(api, raw);
  let optional = !required;
  if (schema.anyOf) {
    optional = true;
    schema = { ...resolved(api, schema.anyOf[0]), description: schema.description };
  }
  const id = `field-${++fields}`;
  const hints = [schema.description, schema.type === "array" || (!schema.type && !schema.enum) ? "JSON" : schema.format ?? schema.type,
    schema.minimum !== undefined && Math.abs(schema.minimum) < 2 ** 31 ? `from ${schema.minimum}` : null,
    schema.maximum !== undefined && Math.abs(schema.maximum) < 2 ** 31 - 1 ? `to ${schema.maximum}` : null,
    schema.maxLength !== undefined ? `${schema.minLength ?? 0} to ${schema.maxLength} characters` : null,
    optional ? "may be left out" : null];
  const hint = el("span", { class: "hint", id: `${id}-hint` }, ` ${hints.filter(Boolean).join(" · ")}`);
  const label = el("label", { for: id }, name, hint);
  if (schema.type === "object" && schema.properties) {
    const needed = new Set(schema.required ?? []);
    const parts = Object.entries(schema.properties).map(([key, value]) =>
      [key, input(api, key, value, needed.has(key), path ? `${path}.${key}` : key)]);
    const read = () => {
      const value = {};
      for (const [key, part] of parts) {
        const inner = part.read();
        if (inner !== undefined) value[key] = inner;
      }
      return optional && Object.keys(value).length === 0 ? undefined : value;
    };
    const node = el("fieldset", {}, el("legend", {}, name, hint), ...parts.map(([, part]) => part.node));
    return { node, read };
  }
  const common = { id, "aria-describedby": `${id}-hint`, "data-path": path };
  if (schema.enum || schema.type === "boolean") {
    const values = schema.enum ?? ["true", "false"];
    const node = el("select", common, optional ? el("option", { value: "" }, "—") : null,
      ...values.map((value) => el("option", { value }, value)));
    const read = () => (node.value === "" ? undefined : schema.enum ? node.value : node.value === "true");
    return { node: el("div", {}, label, node), read };
  }
  const node = el("input", { ...common, autocomplete: "off", spellcheck: "false" });
  const read = () => {
    if (node.value === "") return optional || schema.type !== "string" ? undefined : "";
    if (schema.type === "string") return node.value;
    // A number of 64 bits must not be rounded here: it goes out as it was written.
    if (/^-?\d+$/.test(node.value)) return JSON.rawJSON ? JSON.rawJSON(node.value.replace(/^(-?)0+(?=\d)/, "$1")) : Number(node.value);
    try { return JSON.parse(node.value); } catch { return node.value; }
  };
  return { node: el("div", {}, label, node), read };
}

async function asking(chosen) {
  const api = await openapi();
  const groups = operations(api);
  const all = [...groups.values()].flat();
  const op = all.find((one) => one.operationId === chosen) ?? all[0];
  const list = el("nav", { "aria-label": "Operations" });
  for (const [tag, ops] of groups) {
    list.append(el("h3", {}, tag), el("ul", { class: "list" }, ...ops.map((one) => el("li", {},
      el("a", { href: `#ask/${encodeURIComponent(one.operationId)}`, "aria-current": one === op ? "true" : undefined },
        one.operationId)))));
  }
  if (!op) return [el("h2", {}, "Ask"), el("p", {}, "The schema has nothing to ask.")];
  const path = op.parameters.filter((one) => one.in === "path").map((one) => [one, input(api, one.name, one.schema, true, one.name)]);
  const query = op.parameters.filter((one) => one.in === "query").map((one) =>
    [one, input(api, one.name, one.schema ?? one.content["application/json"].schema, one.required, one.name)]);
  const schema = op.requestBody?.content["application/json"].schema;
  const body = schema ? input(api, "body", schema, true, "") : null;
  const told = el("div", { "aria-live": "polite" });
  const send = el("button", { type: "submit" }, op.method === "GET" ? "Ask" : "Submit");
  const form = el("form", { novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    send.disabled = true;
    form.querySelectorAll("[aria-invalid]").forEach((node) => node.removeAttribute("aria-invalid"));
    let url = op.path;
    for (const [one, field] of path) url = url.replace(`{${one.name}}`, encodeURIComponent(String(field.read() ?? "")));
    const pairs = query.map(([one, field]) => [one.name, field.read()]).filter(([, value]) => value !== undefined);
    const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
    if (pairs.length) url += `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(text(value))}`).join("&")}`;
    const began = performance.now();
    try {
      const answer = await ask(op.method, url, body ? body.read() ?? {} : undefined);
      told.replaceChildren(...shown(answer, performance.now() - began));
      for (const wrong of answer.json?.errors ?? []) {
        const field = [...form.querySelectorAll("[data-path]")].find((node) => node.dataset.path === wrong.path);
        if (field) { field.setAttribute("aria-invalid", "true"); field.focus(); }
      }
    } catch (error) {
      told.replaceChildren(el("p", { class: "bad" }, `No answer: ${error.message}`));
    }
    send.disabled = false;
  } }, ...path.map(([, field]) => field.node), ...query.map(([, field]) => field.node), body?.node ?? null,
    el("div", { class: "row" }, send));
  const about = el("section", {}, el("h2", {}, op.operationId), el("p", {}, op.summary ?? ""),
    el("p", { class: "faint" }, el("code", {}, `${op.method} ${op.path}`)), form, told);
  return [el("div", { class: "columns" }, list, about)];
}

function shown(answer, took) {
  const good = answer.status < 400;
  const word = good ? answer.json?.outcome ?? "done" : `${answer.json?.title ?? "not done"}: ${answer.json?.type ?? answer.status}`;
  const nodes = [el("p", { class: good ? "good" : "bad" }, `${answer.status} ${word}`, el("span", { class: "faint" }, `  ${took.toFixed(1)} ms`))];
  if (!good && answer.json?.detail) nodes.push(el("p", {}, answer.json.detail));
  if (answer.id) nodes.push(el("p", {}, el("a", { href: `#transactions/${answer.id}` }, answer.id)));
  if (answer.text) nodes.push(el("pre", {}, pretty(answer.text)));
  return nodes;
}

/** JSON with line breaks; numbers stay as they were written. */
function pretty(text) {
  try { JSON.parse(text); } catch { return text; }
  let out = "", depth = 0, quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (quoted) {
      out += char;
      if (char === "\\") out += text[++at];
      else if (char === '"') quoted = false;
    } else if (char === '"') { quoted = true; out += char; }
    else if (char === "{" || char === "[") {
      const empty = text[at + 1] === "}" || text[at + 1] === "]";
      out += empty ? char + text[++at] : `${char}\n${"  ".repeat(++depth)}`;
    } else if (char === "}" || char === "]") out += `\n${"  ".repeat(--depth)}${char}`;
    else if (char === ",") out += `,\n${"  ".repeat(depth)}`;
    else if (char === ":") out += ": ";
    else out += char;
  }
  return out;
}

// ---- transactions

function fact(one) {
  const node = el("section", {}, el("h3", {}, one.partition), el("p", {}, one.says));
  const txn = one.transaction;
  if (txn?.visits) {
    node.append(el("p", { class: "faint" }, `${txn.name}, ${txn.mode}`), el("ol", {}, ...txn.visits.map((visit) => el("li", {},
      el("code", {}, visit.group), " ", el("span", { class: visit.made ? "good" : "faint" }, visit.made ? "made" : "to come"),
      el("ul", {}, ...visit.steps.map((step) => el("li", {}, el("code", {},
        `${step.instance ?? "?"}.${step.operation} ${step.payload === null ? "" : JSON.stringify(step.payload)}`))))))));
  }
  return node;
}

async function act(id, what, told) {
  const answer = await ask("POST", `/v1/id/${encodeURIComponent(id)}/${what}`);
  told.textContent = answer.ok ? answer.json.outcome : `${answer.json?.type}: ${answer.json?.detail}`;
  told.className = answer.ok ? "good" : "bad";
}

async function transactions(id) {
  const field = el("input", { id: "id", value: id ?? "", autocomplete: "off", spellcheck: "false", "aria-label": "Id of a transaction", placeholder: "Id of a transaction" });
  const find = el("form", { class: "row", onsubmit: (event) => {
    event.preventDefault();
    location.hash = `transactions/${field.value.trim()}`;
  } }, field, el("button", { type: "submit" }, "Find"));
  const nodes = [el("h2", {}, "Transactions"), find];
  if (id) {
    const answer = await ask("GET", `/v1/id/${encodeURIComponent(id)}`);
    if (!answer.ok) return [...nodes, el("p", { class: "bad" }, answer.json?.detail ?? String(answer.status))];
    const told = el("p", { role: "status" });
    const is = (...states) => answer.json.facts.some((one) => states.includes(one.state));
    const button = (what, text) => el("button", { class: "quiet", onclick: () => act(id, what, told) }, text);
    nodes.push(...answer.json.facts.map(fact), el("div", { class: "row" },
      is("parked") ? button("resume", "Let it go on") : is("runs", "waits") ? button("cancel", "Cancel it") : null), told);
    return nodes;
  }
  for (const [state, title, none] of [["parked", "Parked", "No saga is parked."], ["running", "Running", "Nothing runs just now."]]) {
    const listed = (await ask("GET", `/v1/id?state=${state}&limit=100`)).json;
    nodes.push(el("h3", {}, title), listed.length === 0 ? el("p", { class: "faint" }, none)
      : el("ul", {}, ...listed.map((one) => el("li", {}, el("a", { href: `#transactions/${one.id}` }, one.id),
        " ", one.facts.map((it) => `${it.partition}: ${it.says}`).join("; ")))));
  }
  return nodes;
}

// ---- which view

let shownView = 0;
async function show() {
  const turn = ++shownView;
  const [view, rest] = location.hash.slice(1).split(/\/(.*)/);
  const argument = rest ? decodeURIComponent(rest) : undefined;
  const views = { overview, ask: asking, transactions };
  const name = Object.hasOwn(views, view) ? view : "overview";
  document.querySelectorAll("header nav a").forEach((link) => {
    link.toggleAttribute("aria-current", link.hash === `#${name}`);
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
  });
  try {
    const nodes = await views[name](argument);
    if (turn === shownView) main.replaceChildren(...nodes);
  } catch (error) {
    if (turn === shownView) main.replaceChildren(el("p", { class: "bad" }, `No answer: ${error.message}`));
  }
}

async function readiness() {
  const status = document.getElementById("status");
  try {
    const { ok, json } = await ask("GET", "/readyz");
    document.getElementById("platform").textContent = json.platform;
    document.title = `${json.platform} · rkcy console`;
    status.textContent = json.status;
    status.className = ok ? "good" : "bad";
  } catch {
    status.textContent = "away";
    status.className = "bad";
  }
}

document.getElementById("who").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = document.getElementById("token");
  token = field.value.trim();
  field.value = "";
  event.currentTarget.hidden = true;
  show();
});
addEventListener("hashchange", show);
setInterval(() => { if (!document.hidden) readiness(); }, 5000);
setInterval(() => { if (!document.hidden && /^#?(overview)?$/.test(location.hash)) show(); }, 2000);
readiness();
show();
