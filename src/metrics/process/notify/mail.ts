import { connect, type Socket } from "node:net";
import type { Message } from "./message.ts";
import { allowedAddresses, type NetworkRules, pinned, type Resolve } from "./network.ts";
import type { EmailReceiver } from "./secrets.ts";

/** Replies after which a mail can still be taken although they begin with a 5: who we are may be mended. */
const LOGIN_CODES = [530, 534, 535, 538];

/**
 * Sends one mail over a connection of its own to an address that was checked.
 *
 * @returns the server's reply; rejects where it gave none, or none to the mail itself
 */
export async function sendMail(
  receiver: EmailReceiver,
  message: Message,
  content: { subject: string; text: string },
  network: NetworkRules,
  signal: AbortSignal,
  resolve?: Resolve,
): Promise<{ code: number; text: string }> {
  const { host, port, tls, login, from, to } = receiver;
  // Most fleets send no mail, and a start would wait for it.
  const { createTransport } = await import("nodemailer");
  const addresses = await allowedAddresses(host, network, true, signal, resolve);
  let socket: Socket | null = null;
  const transport = createTransport({
    getSocket: (_options, callback) => {
      const opened = connect({ host, port, lookup: pinned(addresses), signal });
      socket = opened;
      const fail = (error: Error) => callback(error, false);
      opened.once("error", fail);
      opened.once("connect", () => {
        // From here on its errors are the transport's.
        opened.off("error", fail);
        callback(null, { connection: opened });
      });
    },
    host,
    port,
    secure: tls === "always",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "none",
    ...(login && { auth: { user: login.user, pass: login.password } }),
    // A message is no place to read this machine's files, or the network, from.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const { response } = await transport.sendMail({
      from,
      to,
      ...content,
      date: new Date(message.created_ms),
      messageId: `<${message.created_ms}.${message.id}@evenkeel>`,
      headers: { "Auto-Submitted": "auto-generated" },
    });
    return { code: 250, text: response };
  } catch (error) {
    const { responseCode: code, response } = error as { responseCode?: number; response?: string };
    if (code === undefined || LOGIN_CODES.includes(code)) throw error;
    return { code, text: response ?? (error as Error).message };
  } finally {
    transport.close();
    (socket as Socket | null)?.destroy();
  }
}
