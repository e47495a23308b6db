import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";

/** What stands in front of a server, or beside it, and ends with the test. */
export interface Front {
  readonly origin: string;
  end(): Promise<void>;
}

const START_MS = 10_000;

/** nginx as Debian sets it up, with one location that leads to the server; `more` are lines of that location. */
export function startNginx(program: string, folder: string, target: string, more = ""): Promise<Front> {
  const { host, pathname } = new URL(target);
  return startProxy(folder, program, (port) => {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${join(folder, `nginx-${name}`)};`)
      .join("\n");
    const config = `
      daemon off;
      pid ${join(folder, "nginx.pid")};
      error_log stderr;
      events { worker_connections 768; }
      http {
        sendfile on;
        tcp_nopush on;
        types_hash_max_size 2048;
        default_type application/octet-stream;
        ssl_prefer_server_ciphers on;
        access_log off;
        gzip on;
        ${temporary}
        server {
          listen 127.0.0.1:${port};
          location ${pathname} { proxy_pass http://${host}; ${more} }
        }
      }`;
    return { config, args: (file) => ["-p", folder, "-e", "stderr", "-c", file] };
  });
}

/** haproxy with the defaults section of Debian's own file. */
export function startHaproxy(program: string, folder: string, target: string): Promise<Front> {
  return startProxy(folder, program, (port) => {
    const config = `
defaults
  mode http
  option httplog
  option dontlognull
  timeout connect 5000
  timeout client 50000
  timeout server 50000

frontend dashboard
  bind 127.0.0.1:${port}
  default_backend evenkeel

backend evenkeel
  server one ${new URL(target).host}
`;
    return { config, args: (file) => ["-db", "-f", file] };
  });
}

interface Setup {
  config: string;
  args(file: string): string[];
}

async function startProxy(folder: string, program: string, setup: (port: number) => Setup): Promise<Front> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const { config, args } = setup(port);
  const file = join(folder, `front-${port}.conf`);
  writeFileSync(file, config);
  const child = spawn(program, args(file), { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const until_ms = Date.now() + START_MS;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || Date.now() > until_ms)
      throw new Error(`${program} does not listen:\n${output}`);
  }
  const end = async () => {
    if (child.exitCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    await exit;
  };
  return { origin: `http://127.0.0.1:${port}`, end };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return false;
  } finally {
    socket.destroy();
  }
}

/** A page of another site that shows these addresses in frames. */
export async function startWiki(): Promise<Front & { frames: string[] }> {
  const frames: string[] = [];
  const server = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    const shown = frames.map((address) => `<iframe src="${address}" width="600" height="300"></iframe>`);
    response.end(`<!doctype html><title>Wiki</title>${shown.join("")}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const end = async () => {
    server.closeAllConnections();
    server.close();
  };
  // Another name than the server's: not the same site.
  return { origin: `http://localhost:${(server.address() as AddressInfo).port}`, frames, end };
}
