// The docs page in a real browser that reaches nothing but this server. Prints what it saw as JSON.
// node page.mjs URL TOKEN MARKUP
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../.ci/node/", import.meta.url));
const { chromium } = require("playwright-core");
const [url, token, markup] = process.argv.slice(2);
const seen = { errors: [], elsewhere: [], answers: {}, violations: {} };

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
try {
  const page = await browser.newPage();
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  await page.route("**/*", (route) => {
    if (route.request().url().startsWith(url)) return route.continue();
    seen.elsewhere.push(route.request().url());
    return route.abort();
  });
  await page.goto(url);
  seen.location = page.url();
  await page.waitForSelector("#predict textarea");
  seen.title = await page.title();
  seen.operations = await page.$$eval("#operations > details[id]", (sections) => sections.map((section) => section.id));

  // What a person sees of a request without scrolling within it.
  seen.hidden = await page.$eval("#predict textarea", (area) => area.scrollHeight - area.clientHeight);
  seen.example = await page.locator("#predict textarea").inputValue();
  const rows = (caption) => page.$$eval("#predict table", (tables, wanted) => {
    const table = tables.find((one) => one.caption.textContent === wanted);
    return [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  }, caption);
  seen.fields = await rows("Fields of an event");
  seen.curlBefore = await page.locator("#predict .curl").textContent();

  const send = async (id, body) => {
    const section = page.locator(`#${id}`);
    if (!(await section.evaluate((element) => element.open))) await section.locator("> summary").click();
    if (body !== undefined) await section.locator("textarea").fill(body);
    await section.getByRole("button", { name: "Send" }).click();
    const verdict = section.locator(".verdict").filter({ hasText: / in \d+ ms/ });
    await verdict.waitFor();
    const [role, color] = await verdict.evaluate((element) => [element.role, getComputedStyle(element).color]);
    const answer = await section.locator(".answer").textContent();
    return { verdict: await verdict.textContent(), role, color, answer };
  };
  await page.fill("#token", token);
  seen.answers.predict = await send("predict");
  seen.curl = await page.locator("#predict .curl").textContent();
  for (const name of ["invocations", "ready", "version", "metrics"]) seen.answers[name] = await send(name);
  await page.locator("#invocations select").selectOption({ label: "text/csv: csv" });
  seen.answers.csv = await send("invocations");
  seen.curlCsv = await page.locator("#invocations .curl").textContent();
  // A ride's id comes back as it was sent, whatever it is.
  const event = JSON.parse(await page.locator("#predict textarea").inputValue());
  seen.answers.markup = await send("predict", JSON.stringify({ ...event, ride_id: markup }));
  seen.curlMarkup = await page.locator("#predict .curl").textContent();
  seen.images = await page.locator("img").count();
  // Answers that are refusals are errors to the browser's console, so the last.
  seen.errorsBefore = [...seen.errors];
  seen.answers.refused = await send("predict", "{}");
  seen.answers.partly = await send("predict", JSON.stringify([event, {}]));
  await page.fill("#token", "wrong");
  seen.answers.unknown = await send("version");
  // Some answers are refusals now, and some are not.
  const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(axe); // not as a script of the page, which its own policy refuses
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(() => window.axe.run());
    seen.violations[colorScheme] = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`);
  }
  await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true }).catch(() => {});
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
