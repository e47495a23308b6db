import type { EmbedLink, Role, Token } from "../../metrics/accounts.ts";

/** Who asks. */
export type Caller =
  /** While there are no users, whoever reaches the server. */
  | { readonly kind: "anyone" }
  | { readonly kind: "nobody" }
  | {
      readonly kind: "user";
      readonly name: string;
      readonly role: Role;
      /** The hash of its session, and when that ends, Unix milliseconds. */
      readonly session: string;
      readonly ends_ms: number;
    }
  | { readonly kind: "token"; readonly token: Token }
  /** Whoever was given a link to one panel. */
  | { readonly kind: "link"; readonly link: EmbedLink };

/** As an error and the audit log name them. */
export function inWords(caller: Caller): string {
  if (caller.kind === "user") return caller.name;
  return caller.kind === "token" ? `token ${caller.token.name}` : caller.kind;
}
