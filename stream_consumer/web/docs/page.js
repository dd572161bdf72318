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

async function ask(method, path, type, body, output) {
  const token = document.getElementById("token").value;
  const headers = { ...(type && { "Content-Type": type }), ...(token && { Authorization: `Bearer ${token}` }) };
  output.textContent = "asking …"; // the answer before this one is not taken for its answer
  const started = performance.now();
  try {
    const response = await fetch(path.slice(1), { method, headers, body });
    const text = await response.text();
    output.textContent = `${response.status} in ${Math.round(performance.now() - started)} ms\n${printable(pretty(text))}`;
  } catch (error) {
    output.textContent = printable(`no answer: ${error.message}`);
  }
}

function bodyEditor(content) {
  const samples = Object.entries(content).flatMap(([type, media]) =>
    Object.entries(media.examples ?? {}).map(([name, example]) => ({ type, name, text: exampleText(example.value) })));
  const area = make("textarea", { spellcheck: false, ariaLabel: "body" });
  const choice = make("select", { ariaLabel: "example" },
    ...samples.map((sample, index) => make("option", { value: index }, `${sample.type}: ${sample.name}`)));
  const chosen = () => samples[choice.value];
  choice.onchange = () => { area.value = chosen().text; };
  if (samples.length) area.value = samples[0].text;
  return { area, choice, type: () => chosen()?.type ?? Object.keys(content)[0] };
}

function answers(responses) {
  const rows = Object.entries(responses).map(([status, response]) =>
    make("tr", {}, make("td", {}, status), make("td", {}, response.description)));
  return make("table", {}, make("tr", {}, make("th", {}, "status"), make("th", {}, "answer")), ...rows);
}

function operation(path, method, description) {
  const output = make("pre", { className: "output", hidden: true, ariaLive: "polite" });
  const send = make("button", { type: "button" }, "Send");
  const editor = description.requestBody && bodyEditor(description.requestBody.content);
  send.onclick = async () => {
    output.hidden = false;
    await ask(method.toUpperCase(), path, editor?.type(), editor?.area.value, output);
  };
  const heading = make("summary", {}, make("span", { className: "method" }, method),
    make("span", { className: "path" }, path), make("span", { className: "summary" }, description.summary));
  const parts = editor ? [editor.choice, editor.area] : [];
  const section = make("details", { id: description.operationId }, heading, ...parts, send, output,
    answers(description.responses));
  section.open = path === "/predict";
  return section;
}

async function draw() {
  const api = await (await fetch("openapi.json")).json();
  document.title = document.getElementById("title").textContent = printable(api.info.title);
  document.getElementById("summary").textContent = printable(api.info.summary);
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, description]) => ({ path, method, description })));
  document.getElementById("token-field").hidden = !operations.some(({ description }) => description.security);
  document.getElementById("operations").append(
    ...operations.map(({ path, method, description }) => operation(path, method, description)),
    make("h2", {}, "Schemas"),
    ...Object.entries(api.components.schemas).map(([name, schema]) =>
      make("details", {}, make("summary", { className: "path" }, name), make("pre", {}, JSON.stringify(schema, null, 2)))));
}

draw();
