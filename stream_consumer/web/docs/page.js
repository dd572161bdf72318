// Draws openapi.json: each operation with its body, its answers and a button that really asks the server.
// Everything from the document or the server is set as text, never as HTML, and what reorders or hides its neighbours is
// shown as JSON would escape it.
"use strict";

const printable = (text) => text.replace(/[^\P{C}\n]|[\u2028\u2029]/gu, (character) =>
  [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""));

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.map((child) => (typeof child === "string" ? printable(child) : child)));
  return element;
};

const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

const exampleText = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

// A shell's own characters between single quotes are none.
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function curl({ path, guarded }, type, body) {
  const token = document.getElementById("token").value;
  const parts = ["curl -sS", quoted(new URL(path.slice(1), document.baseURI).href)];
  if (guarded) parts.push(token ? `-H ${quoted(`Authorization: Bearer ${token}`)}` : '-H "Authorization: Bearer $WEB_TOKEN"');
  if (type) parts.push(`-H ${quoted(`Content-Type: ${type}`)}`, `--data-raw ${quoted(body)}`);
  return parts.join(" \\\n  ");
}

const isGood = (status) => status >= 200 && status < 300 && status !== 207; // of 207 an item has no prediction

function titleOf(text) {
  try {
    const { title, message } = JSON.parse(text);
    return title ?? message;
  } catch {
    return "";
  }
}

function verdict(status, milliseconds, text) {
  if (isGood(status)) return `✓ Success: ${status} in ${milliseconds} ms`;
  const why = status === 207 ? "an item has no prediction" : titleOf(text);
  return `✗ Failure: ${status} in ${milliseconds} ms${why ? `: ${why}` : ""}`;
}

function outcome(path) {
  // Both are there from the start, since a screen reader tells of changes alone.
  const good = make("p", { className: "verdict good", role: "status" });
  const bad = make("p", { className: "verdict bad", role: "alert" });
  const answer = make("pre", { className: "answer", hidden: true, tabIndex: 0, role: "region", ariaLabel: `Answer of ${path}` });
  const show = (said, isBad, text) => {
    good.textContent = isBad ? "" : printable(said);
    bad.textContent = isBad ? printable(said) : "";
    answer.hidden = !text;
    answer.textContent = printable(pretty(text));
  };
  return { parts: [good, bad, answer], show };
}

async function ask({ method, path }, type, body, show) {
  const token = document.getElementById("token").value;
  const headers = { ...(type && { "Content-Type": type }), ...(token && { Authorization: `Bearer ${token}` }) };
  show("asking …", false, ""); // the answer before this one is not taken for its answer
  const started = performance.now();
  try {
    const response = await fetch(path.slice(1), { method: method.toUpperCase(), headers, body });
    const text = await response.text();
    const said = verdict(response.status, Math.round(performance.now() - started), text);
    show(said, !isGood(response.status), text);
  } catch (error) {
    show(`✗ Failure: no answer: ${error.message}`, true, "");
  }
}

function bodyEditor(content) {
  const samples = Object.entries(content).flatMap(([type, media]) =>
    Object.entries(media.examples ?? {}).map(([name, example]) => ({ type, name, text: exampleText(example.value) })));
  const area = make("textarea", { spellcheck: false, ariaLabel: "body" });
  const choice = make("select", { ariaLabel: "example" },
    ...samples.map((sample, index) => make("option", { value: index }, `${sample.type}: ${sample.name}`)));
  const chosen = () => samples[choice.value];
  const fill = (text) => {
    area.value = text;
    area.rows = text.split("\n").length; // for browsers that know no field-sizing
  };
  choice.onchange = () => { fill(chosen().text); area.dispatchEvent(new Event("input")); };
  if (samples.length) fill(samples[0].text);
  return { area, choice, type: () => chosen()?.type ?? Object.keys(content)[0] };
}

// A name of fields breaks behind a dot before it breaks within a word.
const breakable = (name) => name.split(/(?<=\.)/).flatMap((part, at) => (at ? [make("wbr"), part] : [part]));

function table(path, caption, head, rows) {
  const heads = head.map((name) => make("th", { scope: "col" }, name));
  const lines = rows.map(([first, ...others]) =>
    make("tr", {}, make("th", { scope: "row" }, ...breakable(first)), ...others.map((cell) => make("td", {}, cell))));
  const drawn = make("table", {}, make("caption", {}, caption), make("tr", {}, ...heads), ...lines);
  return make("div", { className: "wide", tabIndex: 0, role: "region", ariaLabel: `${caption}: ${path}` }, drawn);
}

function command(text) {
  const shown = make("pre", { className: "curl" });
  const told = make("span", { role: "status" });
  const copy = make("button", { type: "button" }, "Copy");
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(shown.textContent);
      told.textContent = "copied";
    } catch { // without TLS a browser has no clipboard beyond loopback
      getSelection().selectAllChildren(shown);
      told.textContent = "selected: copy it with the keyboard";
    }
  };
  const refresh = () => { shown.textContent = printable(text()); };
  document.getElementById("token").addEventListener("input", refresh);
  refresh();
  return { parts: [make("h2", { className: "small" }, "The same request by curl"), shown, copy, told], refresh };
}

function operation(asked, description, fields) {
  const { parts, show } = outcome(asked.path);
  const send = make("button", { type: "button" }, "Send");
  const editor = description.requestBody && bodyEditor(description.requestBody.content);
  const line = command(() => curl(asked, editor?.type(), editor?.area.value));
  editor?.area.addEventListener("input", line.refresh);
  send.onclick = () => ask(asked, editor?.type(), editor?.area.value, show);
  const heading = make("summary", {}, make("span", { className: "method" }, asked.method),
    make("span", { className: "path" }, asked.path), make("span", { className: "summary" }, description.summary));
  const answers = Object.entries(description.responses).map(([status, response]) => [status, response.description]);
  const section = make("details", { id: description.operationId }, heading,
    ...(editor ? [editor.choice, editor.area] : []), send, ...parts, ...line.parts,
    ...(fields.length ? [table(asked.path, "Fields of an event", ["field", "type", "required", "bounds"], fields)] : []),
    table(asked.path, "Answers", ["status", "answer"], answers));
  section.open = asked.path === "/predict";
  return section;
}

async function draw() {
  const api = await (await fetch("openapi.json")).json();
  document.title = document.getElementById("title").textContent = printable(api.info.title);
  document.getElementById("summary").textContent = printable(api.info.summary);
  const schemas = api.components.schemas;
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, description]) => ({ path, method, description })));
  const event = api.paths["/predict"].post.requestBody.content["application/json"].schema.anyOf[0];
  document.getElementById("token-field").hidden = !operations.some(({ description }) => description.security);
  document.getElementById("operations").append(
    ...operations.map(({ path, method, description }) =>
      operation({ path, method, guarded: description.security }, description, path === "/predict" ? rowsOf(event, schemas) : [])),
    make("h2", {}, "Schemas"),
    ...Object.entries(schemas).map(([name, schema]) =>
      make("details", {}, make("summary", { className: "path" }, name), make("pre", {}, JSON.stringify(schema, null, 2)))));
}

draw();
