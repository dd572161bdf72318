// Pages in a real browser, narrow and wide, light and dark, each read by axe-core. Prints what it saw as JSON.
// node pages.mjs FILE-OR-URL... ; with SCREENSHOT=prefix it keeps a picture of each look.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../.ci/node/", import.meta.url));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const looks = [[390, "light"], [390, "dark"], [1280, "light"], [1280, "dark"]];
const seen = [];

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--allow-file-access-from-files"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
try {
  for (const file of process.argv.slice(2)) {
    for (const [width, colorScheme] of looks) seen.push(await look(file, width, colorScheme));
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));

async function look(file, width, colorScheme) {
  const isServed = file.startsWith("http");
  const url = isServed ? file : pathToFileURL(file).href;
  const isElsewhere = (asked) => (isServed ? !asked.startsWith(`${url}/`) && !asked.startsWith("data:") : asked !== url);
  const found = { file, width, colorScheme, errors: [], elsewhere: [] };
  const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme });
  page.on("console", (message) => message.type() === "error" && found.errors.push(message.text()));
  page.on("pageerror", (error) => found.errors.push(String(error)));
  page.on("request", (request) => isElsewhere(request.url()) && found.elsewhere.push(request.url()));
  await page.goto(url, { waitUntil: "networkidle" });
  found.overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  found.cutTables = await page.evaluate(() => [...document.querySelectorAll("table")]
    .filter(({ parentElement }) => parentElement.scrollWidth > parentElement.clientWidth).length);
  found.background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
  await page.evaluate(axe); // not as a script of the page, which its own policy may refuse
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  found.violations = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`);
  found.passes = passes.map(({ id }) => id);
  if (process.env.SCREENSHOT) {
    const name = `${process.env.SCREENSHOT}-${basename(dirname(file))}-${width}-${colorScheme}.png`;
    await page.screenshot({ path: name, fullPage: true });
  }
  await page.close();
  return found;
}
