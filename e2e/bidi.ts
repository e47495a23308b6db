import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";

const START_MS = 60_000;
const ANSWER_MS = 30_000;
const LISTENING = /WebDriver BiDi listening on (ws:\/\/\S+)/;

/** A Firefox of the system, which stock playwright can't drive, spoken to in WebDriver BiDi. */
export interface Firefox {
  /** Resolves once the page and all it needs are loaded. */
  goto(url: string): Promise<void>;
  /** The value of an expression in the page: text, number, boolean, null or undefined. */
  evaluate(expression: string): Promise<unknown>;
  /** What its console was told as an error, and what was thrown and not caught. */
  readonly errors: readonly string[];
  close(): Promise<void>;
}

/** Starts Firefox with a profile of its own; rejects with its output if it doesn't listen. */
export async function startFirefox(executable: string): Promise<Firefox> {
  const home = mkdtempSync(join(tmpdir(), "evenkeel-firefox-"));
  const child = spawn(
    executable,
    ["--headless", "--remote-debugging-port=0", "--no-remote", "--profile", home],
    {
      env: { ...process.env, HOME: home, MOZ_HEADLESS: "1" },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    }
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  try {
    const session = await connect(`${await addressOf(child)}/session`);
    await session.send("session.new", { capabilities: {} });
    await session.send("session.subscribe", { events: ["log.entryAdded"] });
    const { contexts } = await session.send("browsingContext.getTree", {});
    return driver(session, contexts[0].context, end);
  } catch (error) {
    await end();
    throw error;
  }
}

function driver(session: Session, context: string, end: () => Promise<void>): Firefox {
  return {
    errors: session.errors,
    async goto(url) {
      await session.send("browsingContext.navigate", { context, url, wait: "complete" });
    },
    async evaluate(expression) {
      const { type, result, exceptionDetails } = await session.send("script.evaluate", {
        expression,
        target: { context },
        awaitPromise: true,
      });
      if (type !== "success") throw new Error(`${expression}: ${exceptionDetails?.text}`);
      return result.value;
    },
    async close() {
      session.close();
      await end();
    },
  };
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const fail = (why: string) => reject(new Error(`Firefox ${why}:\n${output}`));
    const timer = setTimeout(() => fail(`did not listen within ${START_MS} ms`), START_MS);
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => fail(`ended with exit code ${code}`));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const [, address] = LISTENING.exec(output) ?? [];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
  });
}

interface Session {
  // biome-ignore lint/suspicious/noExplicitAny: each command has an answer of its own shape
  send(method: string, params: object): Promise<any>;
  readonly errors: string[];
  close(): void;
}

async function connect(address: string): Promise<Session> {
  const socket = new WebSocket(address);
  await once(socket, "open");
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  const errors: string[] = [];
  let id = 0;
  socket.on("message", (data) => {
    const message = JSON.parse(String(data));
    if (message.method === "log.entryAdded" && message.params.level === "error")
      errors.push(message.params.text);
    const asked = waiting.get(message.id);
    if (asked === undefined) return;
    waiting.delete(message.id);
    if (message.type === "success") asked.resolve(message.result);
    else asked.reject(new Error(`${message.error}: ${message.message}`));
  });
  return {
    errors,
    send: (method, params) =>
      new Promise((resolve, reject) => {
        const own = ++id;
        const timer = setTimeout(
          () => reject(new Error(`${method} was not answered within ${ANSWER_MS} ms`)),
          ANSWER_MS,
        );
        const settle =
          <T>(how: (value: T) => void) =>
          (value: T) => {
            clearTimeout(timer);
            how(value);
          };
        waiting.set(own, { resolve: settle(resolve), reject: settle(reject) });
        socket.send(JSON.stringify({ id: own, method, params }));
      }),
    close: () => socket.terminate(),
  };
}
