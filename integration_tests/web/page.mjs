// The docs page in a real browser that reaches nothing but this server. Prints what it saw as JSON.
// node page.mjs URL TOKEN MARKUP
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../../.ci/node/", import.meta.url))("playwright-core");
const [url, token, markup] = process.argv.slice(2);
const seen = { errors: [], elsewhere: [], answers: {} };

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
  await page.goto(`${url}/docs`);
  await page.waitForSelector("#predict textarea");
  seen.title = await page.title();
  seen.operations = await page.$$eval("#operations > details[id]", (sections) => sections.map((section) => section.id));

  const send = async (id, body) => {
    const section = page.locator(`#${id}`);
    if (!(await section.evaluate((element) => element.open))) await section.locator("> summary").click();
    if (body !== undefined) await section.locator("textarea").fill(body);
    await section.getByRole("button", { name: "Send" }).click();
    await section.locator(".output").filter({ hasText: / in \d+ ms/ }).waitFor();
    return section.locator(".output").textContent();
  };
  await page.fill("#token", token);
  seen.answers.predict = await send("predict");
  for (const name of ["invocations", "ready", "version", "metrics"]) seen.answers[name] = await send(name);
  await page.locator("#invocations select").selectOption({ label: "text/csv: csv" });
  seen.answers.csv = await send("invocations");
  // A ride's id comes back as it was sent, whatever it is.
  const event = JSON.parse(await page.locator("#predict textarea").inputValue());
  seen.answers.markup = await send("predict", JSON.stringify({ ...event, ride_id: markup }));
  seen.images = await page.locator("img").count();
  // Answers that are refusals are errors to the browser's console, so the last.
  seen.errorsBefore = [...seen.errors];
  seen.answers.refused = await send("predict", "{}");
  await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true }).catch(() => {});
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
