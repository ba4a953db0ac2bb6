// The page of /docs: reads /openapi.json with the token that is typed, shows what there is, and calls it.
"use strict";

let spec = null;

onAccess = async () => {
  const answer = await send("GET", "/openapi.json");
  if (answer.ok) {
    spec = await answer.json();
    byId("state").textContent = `${spec.info.title} ${spec.info.version}`;
    byId("filter").hidden = false;
    show();
  } else {
    byId("state").textContent = (await answer.json()).detail;
  }
};

byId("filter").addEventListener("input", show);

function show() {
  const wanted = byId("filter").value.toLowerCase();
  const groups = new Map();
  for (const [path, operations] of Object.entries(spec.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (`${method} ${path} ${operation.summary}`.toLowerCase().includes(wanted)) {
        const tag = operation.tags[0];
        groups.set(tag, [...(groups.get(tag) || []), entry(method, path, operation)]);
      }
    }
  }
  byId("operations").replaceChildren(...[...groups].flatMap(([tag, entries]) => [element("h2", tag), ...entries]));
}

function entry(method, path, operation) {
  const details = element("details");
  const summary = element("summary", `${method.toUpperCase()} ${path}`);
  summary.append(element("span", operation.summary));
  details.append(summary);
  // Filled in when it is opened: there may be thousands.
  details.addEventListener("toggle", () => fill(details, method, path, operation), { once: true });
  return details;
}

function fill(details, method, path, operation) {
  if (operation.description) details.append(element("pre", operation.description));
  const parameters = (operation.parameters || []).map(resolve);
  const schema = resolve(operation.requestBody?.content?.["application/json"]?.schema);
  const inputs = parameters.filter((each) => each.in !== "header").map((each) => [each, field(details, each.name)]);
  const body = schema && element("textarea");
  if (body) {
    body.value = JSON.stringify(example(schema), null, 2);
    body.rows = Math.min(20, body.value.split("\n").length + 1);
    details.append(body);
  }
  const buttons = element("div");
  buttons.className = "buttons";
  const output = element("pre");
  const run = (label, headers) => {
    const button = element("button", label);
    button.addEventListener("click", () => call(output, method, address(path, inputs), body?.value, headers));
    buttons.append(button);
  };
  run(path.startsWith("/call/") ? "Call" : "Send", {});
  if (operation.responses["200"]?.content?.["text/event-stream"]) run("Stream", { Accept: "application/x-ndjson" });
  if (path.startsWith("/call/")) run("Dry run", { Prefer: "validate-only" });
  details.append(buttons, output);
  if (schema) details.append(schemaOf("Arguments", schema));
  const result = operation.responses["200"]?.content?.["application/json"]?.schema;
  if (result) details.append(schemaOf("Answer", result));
}

async function call(output, method, path, body, headers) {
  output.className = "";
  output.textContent = "…";
  try {
    const answer = await send(method.toUpperCase(), path, body, headers);
    output.className = answer.ok ? "good" : "bad";
    output.textContent = `${answer.status} ${answer.headers.get("rayfaas-call-id") || ""}\n`;
    await print(output, answer);
  } catch (error) {
    output.className = "bad";
    output.textContent += String(error);
  }
}

async function print(output, answer) {
  if (/json$/.test((answer.headers.get("content-type") || "").split(";")[0]) && !isStream(answer)) {
    const text = await answer.text();
    output.append(pretty(text));
    return;
  }
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) output.append(part.value);
}

function isStream(answer) {
  return answer.headers.get("content-type").includes("ndjson");
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function address(path, inputs) {
  const query = new URLSearchParams();
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") {
      const value = encodeURIComponent(input.value).replaceAll("%2F", "/");
      path = path.replace(`{${parameter.name}}`, () => value);
    } else if (input.value) {
      query.set(parameter.name, input.value);
    }
  }
  return query.size ? `${path}?${query}` : path;
}

function field(details, name) {
  const label = element("label", `${name} `);
  const input = element("input");
  label.append(input);
  details.append(label, element("br"));
  return input;
}

function schemaOf(title, schema) {
  const details = element("details");
  details.append(element("summary", title), element("pre", JSON.stringify(inlined(schema), null, 2)));
  return details;
}

function resolve(value) {
  if (!value || !value.$ref) return value;
  return value.$ref.slice(2).split("/").reduce((found, part) => found[part], spec);
}

// With the schemas that it refers to in place, but for those that it is inside of.
function inlined(value, inside = []) {
  if (Array.isArray(value)) return value.map((each) => inlined(each, inside));
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$ref === "string") {
    if (inside.includes(value.$ref)) return value;
    return inlined(resolve(value), [...inside, value.$ref]);
  }
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inlined(each, inside)]));
}

// Something that a schema allows, to begin with.
function example(schema, depth = 0) {
  const found = resolve(schema) || {};
  if ("default" in found) return found.default;
  if ("const" in found) return found.const;
  if (found.enum) return found.enum[0];
  const choice = found.anyOf || found.oneOf || found.allOf;
  if (choice) return depth < 5 ? example(choice[0], depth + 1) : null;
  switch ([found.type].flat()[0]) {
    case "object":
      return Object.fromEntries(
        (depth < 5 ? found.required || Object.keys(found.properties || {}) : [])
          .map((name) => [name, example((found.properties || {})[name], depth + 1)]));
    case "array":
      return found.items && depth < 5 ? [example(found.items, depth + 1)] : [];
    case "string":
      return "";
    case "integer":
    case "number":
      return found.minimum ?? 0;
    case "boolean":
      return false;
    default:
      return null;
  }
}
