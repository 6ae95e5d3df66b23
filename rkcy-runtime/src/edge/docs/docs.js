// The interface of a platform, as its OpenAPI document tells it, for people. Everything that comes from the document is
// put into the page as text, never as markup.
"use strict";

const METHODS = ["get", "post", "patch", "delete"];

/** An element with properties and children. */
function el(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) if (value) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** What a reference of the document leads to. */
function found(api, value) {
  if (!value?.$ref) return value ?? {};
  return value.$ref.slice(2).split("/").reduce((at, name) => at?.[name], api) ?? {};
}

/** A schema in one line: names of types lead to where they are told of. */
function type(schema) {
  if (!schema) return ["anything"];
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return [el("a", { href: `#schema-${name}` }, name)];
  }
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.enum) return [schema.enum.map((one) => JSON.stringify(one)).join(" | ")];
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return either.flatMap((one, nth) => (nth ? [" | ", ...type(one)] : type(one)));
  if (schema.type === "array") return ["[", ...type(schema.items), "]"];
  if (schema.type === "object" && !schema.properties && schema.additionalProperties)
    return ["{ …: ", ...type(schema.additionalProperties), " }"];
  const kind = [schema.type ?? "anything"].flat().join(" | ");
  return [schema.format ? `${kind} (${schema.format})` : kind];
}

/** What a value must fulfil. */
function bounds(schema) {
  const names = ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern", "default"];
  // What is beyond what a number of this language holds is said by the format.
  const isExact = (value) => typeof value !== "number" || Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  return names.filter((name) => schema?.[name] !== undefined && isExact(schema[name]))
    .map((name) => `${name} ${JSON.stringify(schema[name])}`).join(", ");
}

/** The fields of an object, as a table. */
function fields(schema) {
  if (!schema?.properties) return el("p", {}, el("code", {}, ...type(schema)), " ", bounds(schema));
  const rows = Object.entries(schema.properties).map(([name, one]) => el("tr", {},
    el("td", {}, el("code", {}, name), schema.required?.includes(name) ? " (required)" : ""),
    el("td", {}, el("code", {}, ...type(one))),
    el("td", {}, [one.description, bounds(one)].filter(Boolean).join(" · "))));
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, el("th", {}, "Field"), el("th", {}, "Type"), el("th", {}, "About"))),
    el("tbody", {}, ...rows)));
}

/** One operation, closed. */
function operation(api, path, item, method) {
  const told = item[method];
  const parameters = [...(item.parameters ?? []), ...(told.parameters ?? [])].map((one) => found(api, one));
  const body = told.requestBody?.content?.["application/json"]?.schema;
  const answers = Object.entries(told.responses ?? {}).map(([status, one]) => {
    const answer = found(api, one);
    const schema = Object.values(answer.content ?? {})[0]?.schema;
    return [el("dt", {}, status), el("dd", {}, answer.description ?? "", schema ? " " : null,
      schema ? el("code", {}, ...type(schema)) : null)];
  });
  return el("details", { class: "operation", id: told.operationId },
    el("summary", {}, el("span", { class: "method" }, method.toUpperCase()),
      el("code", { class: told.deprecated ? "deprecated" : "" }, path), " ", told.summary ?? ""),
    el("div", {},
      told.description ? el("p", {}, told.description) : null,
      parameters.length ? el("h4", {}, "Parameters") : null,
      parameters.length ? fields({
        required: parameters.filter((one) => one.required).map((one) => one.name),
        properties: Object.fromEntries(parameters.map((one) => {
          const schema = one.schema ?? Object.values(one.content ?? {})[0]?.schema ?? {};
          return [one.name, { ...schema, description: one.description ?? schema.description }];
        })),
      }) : null,
      body ? el("h4", {}, "Body") : null,
      body ? fields(body) : null,
      el("h4", {}, "Answers"),
      el("dl", { class: "answers" }, ...answers.flat())));
}

async function show() {
  const main = document.getElementById("main");
  const response = await fetch("/openapi.json");
  if (!response.ok) {
    main.append(el("p", { role: "alert" }, `The document cannot be had: ${response.status}`));
    return;
  }
  const api = await response.json();
  document.title = `${api.info.title}: interface`;
  document.getElementById("platform").textContent = api.info.title;
  document.getElementById("about").textContent = api.info.description ?? "";
  const parts = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      const part = item[method].tags?.[0] ?? "about transactions";
      parts.set(part, [...(parts.get(part) ?? []), operation(api, path, item, method)]);
    }
  }
  const nav = document.getElementById("parts");
  const section = (name, nodes) => {
    const id = `part-${name.replaceAll(" ", "-")}`;
    nav.append(el("a", { href: `#${id}` }, name));
    main.append(el("section", { "aria-labelledby": id }, el("h2", { id }, name), ...nodes));
  };
  for (const [name, nodes] of parts) section(name, nodes);
  section("types", Object.entries(api.components?.schemas ?? {}).flatMap(([name, schema]) => [
    el("h3", { id: `schema-${name}` }, name),
    schema.description ? el("p", {}, schema.description) : null,
    fields(schema),
  ].filter(Boolean)));
  nav.append(el("a", { href: "/openapi.json" }, "OpenAPI"), el("a", { href: "/console" }, "Console"));
  // Who came for one part is led there, now that it is here.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

show();
