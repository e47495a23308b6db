import { existsSync } from "node:fs";

const PACKAGE = packageFolder(new URL("./", import.meta.url));

/** A file or folder that lies beside package.json, both for the sources and for the build. */
export function packageFile(name: string): URL {
  return new URL(name, PACKAGE);
}

function packageFolder(folder: URL): URL {
  if (existsSync(new URL("package.json", folder))) return folder;
  const above = new URL("../", folder);
  if (above.href === folder.href) throw new Error("No package.json above the program's files");
  return packageFolder(above);
}
