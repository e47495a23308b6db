#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { load } from "./load.js";

const main = fileURLToPath(new URL("../dist/main.cjs", import.meta.url));
if (!existsSync(main)) {
  console.error("evenkeel is not built yet: run `npm run build` (or `npm start`, which builds first)");
  process.exit(1);
}
load(main);
