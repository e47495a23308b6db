export const ROLES = ["viewer", "operator", "admin"] as const;
/** What a user may do: read; deal with alerts too; administer too. */
export type Role = (typeof ROLES)[number];

export interface User {
  /** In small letters. */
  readonly name: string;
  readonly role: Role;
  /** Parameters, salt and hash; the password itself is never kept. */
  readonly password: string;
  readonly created_ms: number;
}

export interface Token {
  readonly id: string;
  /** Of the secret that its holder shows; the secret itself is never kept. */
  readonly hash: string;
  /** What it is for, in its maker's words. */
  readonly name: string;
  readonly role: Role | "ingest";
  /** The sources that it may report as; null for any. */
  readonly sources: readonly string[] | null;
  readonly created_ms: number;
  readonly created_by: string;
  /** To the minute; null for never. */
  readonly used_ms: number | null;
}

/** A panel that whoever has the link may see. */
export interface EmbedLink {
  readonly id: string;
  readonly panel: string;
  /** The parameters that it is bound to, as a query. */
  readonly query: string;
  readonly created_ms: number;
  readonly created_by: string;
  readonly expires_ms: number;
}

/** An address that everybody finds under a name. */
export interface SharedView {
  readonly name: string;
  /** Below the base path. */
  readonly url: string;
  readonly created_by: string;
}

/** One change, and who made it. */
export interface AuditEntry {
  readonly at_ms: number;
  readonly who: string;
  /** Where they were, or how it was done. */
  readonly address: string;
  readonly what: string;
  readonly detail: string;
}
