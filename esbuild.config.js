import { rmSync } from "node:fs";
import { build } from "esbuild";

// One file for what each start needs, the libraries included: hundreds of small modules take half a second to load.
// What only some starts need is imported where it is needed, and has a file of its own.

const [outdir = "dist"] = process.argv.slice(2);

rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: ["src/main.ts", "src/metrics/store/housekeeping-worker.ts"],
  outdir,
  entryNames: "[name]",
  bundle: true,
  splitting: true,
  platform: "node",
  target: "node20",
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "hono/jsx",
  external: ["better-sqlite3", "nodemailer", "tsx"],
  // Libraries that are no ES modules ask for node's own in this way.
  banner: {
    js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
  },
  logLevel: "warning",
});
