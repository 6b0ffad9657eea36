const $ = (id) => document.getElementById(id);

/** An element; `properties` are set on it, and children are texts or elements. Nothing is ever read as HTML. */
function el(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** Paragraphs, `code` and **strong** of a description. */
function prose(text) {
  return (text ?? "").split(/\n\n+/).filter(Boolean).map((paragraph) =>
    el("p", {}, paragraph.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
      if (part.startsWith("`")) return el("code", {}, part.slice(1, -1));
      return part.startsWith("**") ? el("strong", {}, part.slice(2, -2)) : part;
    })));
}

// ---- schemas

let schemas = {};

const nameOf = (schema) => schema.$ref?.split("/").pop();
const resolve = (schema) => (schema.$ref ? schemas[nameOf(schema)] : schema);
const options = (schema) =>
  (schema.anyOf ?? [schema]).flatMap((option) => (option.anyOf ? options(option) : [option]))
    .filter((option) => option.type !== "null");

/** A schema in a few words. */
function typeOf(schema) {
  return options(schema).map((option) => {
    if (option.$ref) return nameOf(option);
    if (option.enum) return option.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (option.type === "array") return `array of ${option.items ? typeOf(option.items) : "anything"}`;
    const type = Array.isArray(option.type) ? option.type.filter((name) => name !== "null").join(" | ") : option.type;
    return [type ?? "anything", ...bounds(option)].join(", ");
  }).join(" or ");
}

function bounds(schema) {
  const words = {
    minimum: "≥", exclusiveMinimum: ">", maximum: "≤", exclusiveMaximum: "<", minLength: "length ≥",
    maxLength: "length ≤", pattern: "like",
  };
  return Object.entries(words).filter(([key]) => key in schema).map(([key, word]) => `${word} ${bound(schema[key])}`);
}

/** What JavaScript cannot count to, as the power that it is near to. */
function bound(value) {
  if (typeof value !== "number" || Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
  return `${value < 0 ? "-" : ""}2^${Math.round(Math.log2(Math.abs(value)))}`;
}

/** The schemas with fields that a schema holds. */
function inner(schema) {
  return options(schema).flatMap((option) => {
    if (option.$ref) return [option];
    return option.type === "array" && option.items ? inner(option.items) : [];
  });
}

/** One line for each field; what they hold unfolds, and is made only then. */
function fields(schema) {
  const alternatives = (schema.oneOf ?? []).flatMap((option) => option.required ?? []);
  const need = (name) => {
    if (schema.required?.includes(name)) return "required";
    return alternatives.includes(name) ? `one of ${alternatives.join(", ")} is required` : "";
  };
  const entries = Object.entries(schema.properties ?? {});
  entries.sort(([a], [b]) => Boolean(need(b)) - Boolean(need(a)));
  return el("div", {}, entries.map(([name, property]) => field(name, property, need(name))));
}

function field(name, schema, need) {
  const nested = inner(schema).filter((option) => resolve(option)?.properties);
  return el("div", { className: "field" },
    el("span", { className: "name" }, name), el("span", { className: "type" }, typeOf(schema)),
    need ? el("span", { className: "required" }, need) : null,
    prose(schema.description), nested.map(unfolding));
}

function unfolding(reference) {
  const details = el("details", {}, el("summary", {}, nameOf(reference)));
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const schema = resolve(reference);
    details.append(el("div", {}, prose(schema.description), fields(schema)));
  });
  return details;
}

// ---- operations

function operation(method, path, described) {
  const body = described.requestBody?.content["application/json"];
  const parameters = described.parameters ?? [];
  const fold = el("details", {},
    el("summary", {}, badge(method), el("span", { className: "path" }, path),
      el("span", { className: "summary" }, described.summary)));
  const section = el("section", { id: described.operationId }, fold);
  const fill = () => fold.childElementCount > 1 || fold.append(el("div", { className: "inside" },
    prose(described.description),
    parameters.length ? [el("h3", {}, "Parameters"), parameters.map(parameter)] : null,
    body ? [el("h3", {}, "Request"), prose(resolve(body.schema).description), fields(resolve(body.schema))] : null,
    el("h3", {}, "Responses"), Object.entries(described.responses).map(([status, one]) => response(status, one)),
    tryOut(method, path, parameters, body)));
  fold.addEventListener("toggle", fill);
  return section;
}

const badge = (method) => el("span", { className: `method ${method}` }, method.toUpperCase());

function parameter({ name, schema, required, in: place, description }) {
  const where = { path: "A part of the path.", query: "A part of the query.", header: "A header." }[place];
  const text = [description, where].filter(Boolean).join(" ");
  return field(name, { ...schema, description: text }, required ? "required" : "");
}

function response(status, { description, content = {} }) {
  const shapes = Object.entries(content).map(([media, { schema }]) => {
    const [held] = options(schema.properties?.data?.anyOf[0].contentSchema ?? schema);
    return el("div", {}, el("code", {}, media), " ", held.$ref ? unfolding(held) : typeOf(held));
  });
  return el("div", { className: "response" }, el("b", {}, status), el("div", {}, prose(description), shapes));
}

// ---- trying out

function tryOut(method, path, parameters, body) {
  const inputs = parameters.map((described) => [described, el("input", { name: described.name, spellcheck: false })]);
  const example = body ? JSON.stringify(body.example, null, 2) : "";
  const rows = example.split("\n").length + 1;
  const text = body ? el("textarea", { value: example, rows, spellcheck: false, ariaLabel: "Body" }) : null;
  const command = el("pre"), output = el("pre", { hidden: true }), status = el("span", { className: "status" });
  status.setAttribute("role", "status");
  const send = el("button", { className: "send", type: "button" }, "Send");
  const stop = el("button", { type: "button", hidden: true }, "Stop");
  // Browsers lend the clipboard to pages from this machine or over TLS alone.
  const copy = el("button", { type: "button", hidden: !navigator.clipboard }, "Copy cURL");
  const request = () => requestOf(method, path, inputs, text?.value);
  const show = () => { command.textContent = curl(request(), "YOUR_API_KEY"); };
  const box = el("div", { className: "try" }, el("h3", {}, "Try it"),
    inputs.map(([{ name }, input]) => el("label", {}, el("span", {}, name), input)), text,
    el("div", { className: "row" }, send, stop, copy, status), output, el("h3", {}, "cURL"), command);
  box.addEventListener("input", show);
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.textContent);
    status.textContent = "Copied; put your key in.";
  });
  send.addEventListener("click", async () => {
    const control = new AbortController();
    stop.onclick = () => control.abort();
    send.disabled = true;
    stop.hidden = output.hidden = false;
    await perform(request(), control.signal, output, status);
    send.disabled = false;
    stop.hidden = true;
  });
  show();
  return box;
}

function requestOf(method, path, inputs, body) {
  const query = new URLSearchParams();
  const headers = {};
  for (const [{ name, in: place }, { value }] of inputs) {
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && place === "query") query.set(name, value);
    else if (value) headers[name] = value;
  }
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return { method: method.toUpperCase(), url: path + (query.size ? `?${query}` : ""), headers, body };
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The same request as a command for a POSIX shell. */
function curl({ method, url, headers, body }, key) {
  const lines = [`curl ${method === "GET" ? "" : `-X ${method} `}${quoted(location.origin + url)}`];
  for (const [name, value] of Object.entries({ ...headers, Authorization: `Bearer ${key}` })) {
    lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  }
  if (body !== undefined) lines.push(`-d ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

async function perform({ method, url, headers, body }, signal, output, status) {
  const key = $("key").value.trim();
  const begin = performance.now();
  const took = () => `${Math.round(performance.now() - begin)} ms`;
  output.textContent = "";
  status.textContent = "Waiting …";
  try {
    const all = key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
    const answer = await fetch(url, { method, headers: all, body, signal, cache: "no-store", credentials: "omit" });
    const line = `${answer.status} ${answer.statusText}`.trim();
    const shown = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n") + "\n\n";
    output.textContent = shown;
    const decoder = new TextDecoder();
    let text = "";
    for (const reader = answer.body.getReader(); ;) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
      output.textContent = shown + text;
      status.textContent = `${line}, ${took()}`;
    }
    output.textContent = shown + pretty(text, answer.headers.get("content-type") ?? "");
    status.textContent = `${line}, ${took()}`;
  } catch (error) {
    status.textContent = signal.aborted ? `Stopped after ${took()}` : `No answer: ${error.message}`;
  }
}

function pretty(text, media) {
  if (!media.includes("json")) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// ---- the page

function build(api) {
  schemas = api.components.schemas;
  $("version").textContent = api.info.version;
  const main = $("main"), index = $("index"), found = [];
  main.replaceChildren(...prose(api.info.description));
  for (const { name: group } of api.tags) {
    const title = el("h2", {}, group), heading = el("h2", {}, group);
    index.append(title);
    main.append(heading);
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, described] of Object.entries(methods)) {
        if (described.tags[0] !== group) continue;
        const link = el("a", { href: `#${described.operationId}`, title: `${method.toUpperCase()} ${path}` },
          badge(method), el("span", {}, described.summary));
        const section = operation(method, path, described);
        const words = [method, path, described.operationId, described.summary, described.description];
        const names = Object.keys(properties(described));
        found.push({ titles: [title, heading], link, section, text: [...words, ...names].join(" ").toLowerCase() });
        index.append(link);
        main.append(section);
      }
    }
  }
  $("search").addEventListener("input", () => search(found));
}

function properties(described) {
  const body = described.requestBody?.content["application/json"];
  return body ? resolve(body.schema).properties : {};
}

/** Show the operations that have every word of the search in their path, texts or fields. */
function search(found) {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = new Set();
  for (const { titles, link, section, text } of found) {
    const fits = words.every((word) => text.includes(word));
    link.hidden = section.hidden = !fits;
    if (fits) titles.forEach((title) => shown.add(title));
  }
  for (const title of found.flatMap(({ titles }) => titles)) title.hidden = !shown.has(title);
  $("nothing").hidden = shown.size > 0;
}

/** Unfold the operation that the address names. */
function open() {
  const section = document.getElementById(location.hash.slice(1));
  if (section?.tagName !== "SECTION") return;
  section.firstElementChild.open = true;
  section.scrollIntoView();
  for (const link of document.querySelectorAll("nav a")) link.toggleAttribute("aria-current", link.hash === location.hash);
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || /^(INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
  event.preventDefault();
  $("search").focus();
});
window.addEventListener("hashchange", open);

try {
  const answer = await fetch("/openapi.json", { credentials: "omit" });
  build(await answer.json());
  open();
} catch (error) {
  $("main").replaceChildren(el("p", {}, `The document could not be read: ${error.message}`));
}
