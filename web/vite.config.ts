import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const OUTPUT = "../src/forefront/server/page";
const SERVER = process.env["FOREFRONT_BASE_URL"] ?? "http://127.0.0.1:8000";

/** Writes `NAME.br` and `NAME.gz` beside each text file of the output, for a server that compresses nothing itself. */
function compress(): Plugin {
  return {
    name: "compress",
    apply: "build",
    async closeBundle() {
      for (const entry of await readdir(OUTPUT, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(html|js|css|svg|json|txt|md)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const text = await readFile(path);
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } };
        await writeFile(`${path}.br`, brotliCompressSync(text, quality));
        await writeFile(`${path}.gz`, gzipSync(text, { level: 9 }));
      }
    },
  };
}

/** Leaves only WOFF2 fonts in KaTeX's style sheet: every supported browser reads them. */
function woff2Only(): Plugin {
  return {
    name: "woff2-only",
    enforce: "pre",
    transform(code, id) {
      if (!id.includes("katex") || !id.includes(".css")) return undefined;
      return code.replace(/,\s*url\([^)]+\)\s*format\(["'](?:woff|truetype)["']\)/g, "");
    },
  };
}

export default defineConfig({
  plugins: [woff2Only(), svelte(), compress()],
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    target: ["es2022", "chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0, // the content security policy has no `data:` for fonts and scripts
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    license: { fileName: "licenses.md" },
    rolldownOptions: { input: ["index.html", "dashboard.html", "docs.html"] },
  },
  server: {
    proxy: Object.fromEntries(["/v1", "/admin", "/openapi.json", "/health", "/ready"].map((path) => [path, SERVER])),
  },
  test: { include: ["test/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
