import { connect, type Socket } from "node:net";

// Viewers in a process of their own that read a few bytes a second, or never.

/** How many of each kind to hold open. */
export interface Stuck {
  readonly url: string;
  readonly slow: number;
  readonly silent: number;
}

/** What became of them so far. */
export interface StuckOutcome {
  readonly open: number;
  readonly dropped: number;
}

const SIP_MS = 1000;
const SIP_BYTES = 16;
/** Connections opened at once. */
const OPENING = 50;

const open = new Set<Socket>();
const slow: Socket[] = [];
let dropped = 0;

function join(url: URL, reads: boolean): Promise<void> {
  const socket = connect(Number(url.port), url.hostname);
  socket.pause();
  if (reads) slow.push(socket);
  socket.on("error", () => {});
  socket.once("close", () => {
    if (open.delete(socket)) dropped++;
  });
  return new Promise((resolve) =>
    socket.once("connect", () => {
      open.add(socket);
      socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
      resolve();
    }),
  );
}

async function start({ url, slow, silent }: Stuck): Promise<void> {
  const kinds = [...Array<boolean>(slow).fill(true), ...Array<boolean>(silent).fill(false)];
  while (kinds.length > 0)
    await Promise.all(kinds.splice(0, OPENING).map((reads) => join(new URL(url), reads)));
  setInterval(sip, SIP_MS);
}

function sip(): void {
  for (const socket of slow) socket.read(SIP_BYTES);
  // Whoever does not read learns only by writing that it was cut off.
  for (const socket of open) socket.write("\r\n");
}

process.on("disconnect", () => process.exit());
process.on("message", async (message: { start?: Stuck }) => {
  if (message.start) await start(message.start);
  const outcome: StuckOutcome = { open: open.size, dropped };
  process.send?.(outcome);
});
