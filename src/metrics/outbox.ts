/** A message to one receiver, from when it is put into the outbox. */
export interface OutboxMessage {
  /** In the order of telling; never given twice. */
  id: number;
  receiver: string;
  created_ms: number;
  /** JSON of what is told, opaque to the store. */
  document: string;
}

/** How a message ended: told, refused by its receiver for good, or given up after long or for want of room. */
export type Outcome = "delivered" | "refused" | "given_up";

/** One attempt to tell a message, or the end of all attempts. */
export interface OutboxAttempt {
  at_ms: number;
  /** Why it was not told; null where it was. */
  error: string | null;
  /** When it is tried again; null where it is not. */
  next_ms: number | null;
  /** Null while it is still to be told. */
  outcome: Outcome | null;
}

/** A message and what became of it so far. */
export interface OutboxRecord extends OutboxMessage {
  attempts: number;
  tried_ms: number | null;
  next_ms: number | null;
  error: string | null;
  outcome: Outcome | null;
  ended_ms: number | null;
}

/** What the sender needs of the store. */
export interface Outbox {
  /** Those that are still to be told, from after that id on, in order; at most `limit`. */
  waitingMessages(after_id: number, limit: number): OutboxRecord[];
  message(id: number): OutboxRecord | undefined;
  /** Durable when it returns. A message that ended changes no more. */
  noteAttempt(id: number, attempt: OutboxAttempt): void;
}
