/** A message to one receiver, from when it is put into the outbox. */
export interface OutboxMessage {
  /** In the order of telling; never given twice. */
  id: number;
  receiver: string;
  created_ms: number;
  /** JSON of what is told, opaque to the store. */
  document: string;
}

/** A message on its way into the outbox. */
export interface NewMessage extends OutboxMessage {
  /** Nothing that shares one of them is told before what came earlier; the document has them too. */
  keys: readonly string[];
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

/** A message as a page shows it. */
export interface MessageSummary extends Omit<OutboxRecord, "document"> {
  /** What it is about: "20 gpu workers are overloaded". */
  title: string;
  /** "firing", "still firing", "resolved" or "2 firing, 1 resolved". */
  what: string;
}

/** How a receiver is doing. */
export interface ReceiverStatus {
  readonly name: string;
  readonly kind: string;
  readonly waiting: number;
  /** When it last took a message, since the start; else null. */
  readonly delivered_ms: number | null;
  /** Since when nothing reaches it; null while all is well. */
  readonly failing_since_ms: number | null;
  readonly last_error: string | null;
  /** When it is tried next; null where nothing waits for it. */
  readonly next_ms: number | null;
}

/** What came of a test of a receiver. */
export interface ReceiverTest {
  readonly at_ms: number;
  /** Whether it took the test. */
  readonly ok: boolean;
  /** What it answered, or why it was not reached, and after how long. */
  readonly detail: string;
}

/** What is told to whom, and what is not. */
export interface Telling {
  /** Each with its last test since the start. */
  readonly receivers: readonly (ReceiverStatus & { readonly test: ReceiverTest | null })[];
  /** Still to be told, in order. */
  readonly waiting: readonly MessageSummary[];
  /** Told, refused or given up, the last first. */
  readonly ended: readonly MessageSummary[];
}

export const TELLS_NOBODY: Telling = { receivers: [], waiting: [], ended: [] };

/** What the sender needs of the store. */
export interface Outbox {
  /** Those that are still to be told, from after that id on, in order; at most `limit`. */
  waitingMessages(after_id: number, limit: number): OutboxRecord[];
  message(id: number): OutboxRecord | undefined;
  /** Durable when it returns. A message that ended changes no more. */
  noteAttempt(id: number, attempt: OutboxAttempt): void;
}
