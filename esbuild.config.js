import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";

// One file for what each start needs, the libraries included: hundreds of small modules take half a second to load.

const [outdir = "dist"] = process.argv.slice(2);

/** Messages of zod in forty languages, of which none is shown. */
const noLocales = {
  name: "no-locales",
  setup: ({ onLoad }) =>
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({ contents: "export {};" })),
};

rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints: ["src/main.ts", "src/metrics/store/housekeeping-worker.ts"],
  outdir,
  outExtension: { ".js": ".cjs" },
  entryNames: "[name]",
  bundle: true,
  platform: "node",
  target: "node20",
  // V8 keeps the code of a script, not that of an ES module.
  format: "cjs",
  jsx: "automatic",
  jsxImportSource: "hono/jsx",
  external: ["better-sqlite3", "nodemailer", "tsx"],
  plugins: [noLocales],
  define: { "import.meta.url": "importMetaUrl" },
  banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
  logOverride: { "empty-import-meta": "silent" },
  logLevel: "warning",
});

// What V8 makes of it.
const KEEP_CODE = `
import { writeFileSync } from "node:fs";
import { load } from ${JSON.stringify(new URL("bin/load.js", import.meta.url).href)};
const [main] = process.argv.splice(1, 1, "evenkeel");
const script = load(main);
process.once("exit", () => {
  // It is for whoever may read the program.
  process.umask(0o022);
  writeFileSync(main + ".code", script.createCachedData());
});
`;
const { status, stderr } = spawnSync(process.execPath, [
  "--input-type=module",
  "--eval",
  KEEP_CODE,
  join(resolve(outdir), "main.cjs"),
  "--help",
]);
if (status !== 0) throw new Error(`The built program does not run:\n${stderr}`);
