// Builds dist/esm and dist/cjs. npm runs this as `prepare`, also for `npm install PATH/TO/clients/node`, which brings
// no development dependencies: the compiler is then fetched first.
import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const compiler = `${root}node_modules/typescript/bin/tsc`;

// Messages go to standard error: `npm pack --json` owns standard output.
const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });

if (!existsSync(compiler)) {
  run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund");
}
rmSync(`${root}dist`, { recursive: true, force: true });
for (const [folder, module, type] of [
  ["esm", "ES2022", "module"],
  ["cjs", "CommonJS", "commonjs"],
]) {
  const compile = (...options) => run(process.execPath, compiler, "--module", module, "--outDir", `dist/${folder}`, ...options);
  // Editors read comments in the declarations, so the code has none.
  compile("--emitDeclarationOnly");
  compile("--declaration", "false", "--removeComments");
  writeFileSync(`${root}dist/${folder}/package.json`, `${JSON.stringify({ type })}\n`);
}
