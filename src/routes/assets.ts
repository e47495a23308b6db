import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { z } from "zod";
import { EvenkeelError } from "../errors.ts";
import { packageFile } from "../package-files.ts";
import { PICO_FILE } from "../views/assets.ts";
import { matches } from "./answers.ts";
import { negotiateEncoding } from "./negotiate.ts";
import type { Ctx, Route } from "./route.ts";

type Coding = "identity" | "gzip" | "br";

/** One file as it is served: whole in memory, compressed when it is first asked for so. */
interface Asset {
  readonly name: string;
  readonly type: string;
  /** Changes with the content; the address of the file that may be kept for ever bears it. */
  readonly version: string;
  readonly bodies: Map<Coding, Buffer>;
}

export class Assets {
  readonly #assets: ReadonlyMap<string, Asset>;

  constructor(files: readonly { name: string; type: string; text: string }[]) {
    this.#assets = new Map(files.map((file) => [file.name, asset(file)]));
  }

  /** The address of a file below the base path, with its version. */
  href(name: string): string {
    return `assets/${name}?v=${this.#get(name).version}`;
  }

  serve(c: Ctx): Response {
    const found = this.#get(c.req.param("file") ?? "");
    const { type, version } = found;
    const etag = `"${version}"`;
    const encoding = negotiateEncoding(c.req.header("accept-encoding"), ["br", "gzip"]) ?? "identity";
    const headers: Record<string, string> = {
      "Cache-Control":
        c.req.query("v") === version ? "public, max-age=31536000, immutable" : "public, no-cache",
      Vary: "Accept-Encoding",
      ETag: encoding === "identity" ? etag : `W/${etag}`,
    };
    if (matches(c.req.header("if-none-match"), etag)) return new Response(null, { status: 304, headers });
    headers["Content-Type"] = type;
    if (encoding !== "identity") headers["Content-Encoding"] = encoding;
    return new Response(bodyOf(found, encoding) as Uint8Array<ArrayBuffer>, { headers });
  }

  #get(name: string): Asset {
    const found = this.#assets.get(name);
    if (found) return found;
    const names = [...this.#assets.keys()].join(", ");
    throw new EvenkeelError("not_found", `There is no asset ${JSON.stringify(name)}; there are ${names}`);
  }
}

export function assetRoutes(assets: Assets): Route[] {
  return [
    {
      method: "GET",
      path: "/assets/:file",
      needs: "nothing",
      summary: "The style sheet, the script and the icon of the pages.",
      params: z.object({ file: z.string().describe("Its name") }),
      example: { params: { file: "icon.svg" } },
      response: {
        description: "The file; with its version in ?v= it may be kept for ever",
        content: { "text/css": null, "text/javascript": null, "image/svg+xml": null },
      },
      handler: (c) => assets.serve(c),
    },
  ];
}

let kept: Assets | undefined;

/** Read and joined once a process. */
export function theAssets(): Assets {
  kept ??= readAssets();
  return kept;
}

/** The files of the pages: the libraries' and our own, joined, so that a page asks for few and none races another. */
function readAssets(): Assets {
  const { resolve } = createRequire(import.meta.url);
  const library = (file: string) =>
    readFileSync(resolve(file), "utf8").replace(/^\/\/# sourceMappingURL=.*$/m, "");
  const ours = (file: string) => readFileSync(packageFile(`public/${file}`), "utf8");
  const script = [
    library("htmx.org/dist/htmx.min.js"),
    library("htmx.org/dist/ext/hx-sse.min.js"),
    withoutComments(ours("app.js")),
  ];
  return new Assets([
    { name: "live.js", type: "text/javascript; charset=utf-8", text: script.join("\n") },
    {
      name: "charts.js",
      type: "text/javascript; charset=utf-8",
      text: `${library("uplot/dist/uPlot.iife.min.js")}\n${withoutComments(ours("charts.js"))}`,
    },
    {
      name: "app.css",
      type: "text/css; charset=utf-8",
      text: [PICO_FILE, "uplot/dist/uPlot.min.css"].map(library).join("\n") + dense(ours("app.css")),
    },
    { name: "icon.svg", type: "image/svg+xml", text: ours("icon.svg") },
    { name: "alarm.svg", type: "image/svg+xml", text: ours("alarm.svg") },
  ]);
}

function asset({ name, type, text }: { name: string; type: string; text: string }): Asset {
  const identity = Buffer.from(text);
  return {
    name,
    type,
    version: createHash("sha256").update(identity).digest("base64url").slice(0, 12),
    bodies: new Map([["identity", identity]]),
  };
}

const COMPRESS: Record<Exclude<Coding, "identity">, (bytes: Buffer) => Buffer> = {
  gzip: (bytes) => gzipSync(bytes, { level: 9 }),
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
};

function bodyOf({ bodies }: Asset, coding: Coding): Buffer {
  const identity = bodies.get("identity")!;
  if (coding === "identity") return identity;
  const body = bodies.get(coding) ?? COMPRESS[coding](identity);
  bodies.set(coding, body);
  return body;
}

/** Our stylesheet without what only its readers here need: a sixth of it, once compressed. */
function dense(style: string): string {
  const ends = /[{};,]/;
  return style
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\s*\n\s*/g, (_, at: number, all: string) => (ends.test(all[at - 1] ?? "{") ? "" : " "))
    .replaceAll(" {", "{");
}

/** Drops the lines that are only a comment: our script explains itself to those who read it here. */
function withoutComments(script: string): string {
  return script.replace(/^\s*(?:\/\/|\/\*\*|\*[ /]).*\n?/gm, "");
}
