// The monitoring report in a real browser, narrow and wide, light and dark. Prints what it saw as JSON.
// node report.mjs FILE
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../.ci/node/", import.meta.url));
const { chromium } = require("playwright-core");
const url = pathToFileURL(process.argv[2]).href;
const seen = [];

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
try {
  for (const [width, colorScheme] of [[390, "light"], [390, "dark"], [1200, "light"], [1200, "dark"]]) {
    const look = { width, colorScheme, errors: [], elsewhere: [] };
    const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme });
    page.on("console", (message) => message.type() === "error" && look.errors.push(message.text()));
    page.on("pageerror", (error) => look.errors.push(String(error)));
    page.on("request", (request) => request.url() !== url && look.elsewhere.push(request.url()));
    await page.goto(url);
    look.overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    look.background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.locator("summary").click();
    await page.addScriptTag({ path: require.resolve("axe-core/axe.min.js") });
    const { violations, passes } = await page.evaluate(() => window.axe.run());
    look.violations = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`);
    look.passes = passes.map(({ id }) => id);
    if (process.env.SCREENSHOT) {
      await page.screenshot({ path: `${process.env.SCREENSHOT}-${width}-${colorScheme}.png`, fullPage: true });
    }
    await page.close();
    seen.push(look);
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
