import { createHash } from "node:crypto";

/**
 * What every answer carries. Nothing is inline and nothing comes from another host, so the policy can say so.
 * `frame_ancestors` are CSP sources: who may show the answer in a frame.
 */
function contentSecurityPolicy(frame_ancestors: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "form-action 'self'",
    "base-uri 'self'",
    `frame-ancestors ${frame_ancestors.join(" ")}`,
  ].join("; ");
}

export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "same-origin",
};

/** For everything that is not meant for other people's frames. */
export const OWN_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy": contentSecurityPolicy(["'self'"]),
  "X-Frame-Options": "SAMEORIGIN",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** For embeds: X-Frame-Options has no list of hosts, so only the policy speaks. */
export function embedHeaders(frame_ancestors: readonly string[]): Record<string, string> {
  const sources = frame_ancestors.map((source) =>
    source === "self" || source === "none" ? `'${source}'` : source,
  );
  for (const source of sources) {
    if (!/^[^\s;,]+$/.test(source)) {
      throw new Error(
        `frame_ancestors must be CSP sources without spaces, ; or ,; got ${JSON.stringify(source)}`,
      );
    }
  }
  return {
    "Content-Security-Policy": contentSecurityPolicy(sources.length > 0 ? sources : ["'self'"]),
    "Cross-Origin-Resource-Policy": "cross-origin",
  };
}

/** For a drawing as a file of its own, which others may show: it runs nothing, and only its own style is its style. */
export function drawingHeaders(svg: string): Record<string, string> {
  const hashes = [...svg.matchAll(/<style[^>]*>(.*?)<\/style>/gs)].map(
    ([, style = ""]) => `'sha256-${createHash("sha256").update(style).digest("base64")}'`,
  );
  return {
    "Content-Security-Policy": `default-src 'none'; style-src ${hashes.join(" ") || "'none'"}`,
    "Cross-Origin-Resource-Policy": "cross-origin",
  };
}
