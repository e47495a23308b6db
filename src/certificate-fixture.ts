import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { findProgram } from "../e2e/programs.ts";

/** The files of a new certificate of 127.0.0.1 that signs itself, `NAME.crt` and `NAME.key` in the folder. */
export function makeCertificate(folder: string, name: string): { tls_cert: string; tls_key: string } {
  const [tls_cert, tls_key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tls_key];
  const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
  const openssl = findProgram("openssl") ?? "openssl";
  execFileSync(openssl, ["req", "-x509", ...key, ...names, "-days", "30", "-out", tls_cert], {
    stdio: "pipe",
  });
  return { tls_cert, tls_key };
}
