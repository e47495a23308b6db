import { within } from "../../within.ts";
import { ask, type HttpAnswer } from "./http.ts";
import { sendMail } from "./mail.ts";
import type { Message } from "./message.ts";
import { type NetworkRules, RefusedAddress, type Resolve } from "./network.ts";
import { alertmanagerBody, alertmanagerWebhookBody } from "./payload/alertmanager.ts";
import { emailText } from "./payload/email.ts";
import { slackBody } from "./payload/slack.ts";
import { webhookBody } from "./payload/webhook.ts";
import type { HttpReceiver, Receiver } from "./secrets.ts";
import { plain } from "./text.ts";

/** What came of one attempt. */
export type Delivery =
  | { readonly outcome: "delivered"; readonly answer: string }
  /** The receiver will never take this message. */
  | { readonly outcome: "refused"; readonly error: string }
  /** It is worth another attempt, no sooner than asked for. */
  | { readonly outcome: "failed"; readonly error: string; readonly retry_after_ms: number };

export type Deliver = (receiver: Receiver, message: Message, signal: AbortSignal) => Promise<Delivery>;

export interface DeliverOptions {
  readonly network: NetworkRules;
  /** Where the dashboard is, for links: ends with a slash. A server learns it once it listens. */
  readonly base_url: () => string;
  /** What an attempt may take in all. */
  readonly timeout_ms?: number;
  readonly resolve?: Resolve;
}

const TIMEOUT_MS = 10_000;
/** Mail servers make those wait whom they do not know. */
const MAIL_TIMEOUT_MS = 30_000;
/** A receiver can't put a message off for longer. */
const MAX_RETRY_AFTER_S = 600;
/** Of the 4xx these can change without the message changing: who we are, how often we come, what is in the way. */
const WORTH_RETRYING = [401, 403, 407, 408, 409, 421, 423, 424, 425, 429];

/** Tells one receiver one message, once; never rejects, and never takes longer than its time. */
export function createDeliver(options: DeliverOptions): Deliver {
  return async (receiver, message, signal) => {
    const { timeout_ms = receiver.kind === "email" ? MAIL_TIMEOUT_MS : TIMEOUT_MS } = options;
    try {
      return await within(timeout_ms, signal, (own) =>
        receiver.kind === "email"
          ? mail(receiver, message, options, own)
          : post(receiver, message, options, own),
      );
    } catch (error) {
      return failed(reasonOf(error));
    }
  };
}

async function post(
  receiver: HttpReceiver,
  message: Message,
  { network, resolve, base_url }: DeliverOptions,
  signal: AbortSignal,
): Promise<Delivery> {
  const { url, headers } = receiver;
  const key = `evenkeel-${message.created_ms}-${message.id}`;
  const answer = await ask(
    {
      method: "POST",
      url: receiver.kind === "alertmanager" ? alertsOf(url) : url,
      headers: { "Idempotency-Key": key, ...headers },
      body: JSON.stringify(bodyOf(receiver, message, base_url())),
    },
    network,
    signal,
    resolve,
  );
  return judged(answer, network);
}

function bodyOf({ kind, name }: HttpReceiver, message: Message, base_url: string): unknown {
  switch (kind) {
    case "webhook":
      return webhookBody(message, name, base_url);
    case "alertmanager_webhook":
      return alertmanagerWebhookBody(message, name, base_url);
    case "slack":
      return slackBody(message, base_url);
    case "alertmanager":
      return alertmanagerBody(message, base_url);
  }
}

/** Where an Alertmanager at this address takes alerts; the file may name it with or without the rest. */
function alertsOf(url: string): string {
  const target = new URL(url);
  if (!target.pathname.endsWith("/api/v2/alerts")) {
    target.pathname = `${target.pathname.replace(/\/+$/, "")}/api/v2/alerts`;
  }
  return target.href;
}

/** What an answer means for the message. */
export function judged(
  { status, text, retry_after, location }: HttpAnswer,
  { follow_redirects }: NetworkRules,
): Delivery {
  const said = plain(text, 200);
  const answer = `answered ${status}${said === "" ? "" : `: ${said}`}`;
  if (status >= 200 && status < 300) return { outcome: "delivered", answer };
  if (location !== null && status >= 300 && status < 400) {
    const rule = follow_redirects ? "" : "; the alerts file allows that with network.follow_redirects: true";
    return failed(`answered ${status}, a redirect that is not followed${rule}`);
  }
  if (status >= 400 && status < 500 && !WORTH_RETRYING.includes(status))
    return { outcome: "refused", error: answer };
  const pause_s = retry_after !== null && /^\d{1,9}$/.test(retry_after) ? Number(retry_after) : 0;
  return failed(answer, 1000 * Math.min(pause_s, MAX_RETRY_AFTER_S));
}

async function mail(
  receiver: Extract<Receiver, { kind: "email" }>,
  message: Message,
  { network, resolve, base_url }: DeliverOptions,
  signal: AbortSignal,
): Promise<Delivery> {
  const { code, text } = await sendMail(
    receiver,
    message,
    emailText(message, base_url()),
    network,
    signal,
    resolve,
  );
  const answer = plain(text, 200);
  if (code < 400) return { outcome: "delivered", answer };
  return code >= 500 ? { outcome: "refused", error: answer } : failed(answer);
}

function failed(error: string, retry_after_ms = 0): Delivery {
  return { outcome: "failed", error, retry_after_ms };
}

/** Without the address: its path may be the secret. */
function reasonOf(error: unknown): string {
  if (error instanceof RefusedAddress) return error.message;
  // What was tried at several addresses fails with all their errors in one, whose own message is empty.
  const { errors } = error as { errors?: unknown };
  const first: unknown = Array.isArray(errors) ? errors[0] : error;
  const { code, message } = first as { code?: unknown; message?: unknown };
  return plain(String(message || code || first), 200);
}
