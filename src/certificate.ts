import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { EvenkeelError } from "./errors.ts";

/** A certificate with what leads up to its root, and its private key: both PEM. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** The files of a certificate, which whoever renews it replaces while we run. */
export class CertificateFiles {
  readonly #tls_cert: string;
  readonly #tls_key: string;
  #seen = "";

  constructor(tls_cert: string, tls_key: string) {
    this.#tls_cert = tls_cert;
    this.#tls_key = tls_key;
  }

  /** @throws EvenkeelError that names the setting, its file and what is wrong with it */
  read(): Certificate {
    this.#seen = this.#look();
    const cert = readPem("tls_cert", this.#tls_cert);
    const key = readPem("tls_key", this.#tls_key);
    const parsed = parsedCertificate(cert, this.#tls_cert);
    if (!parsed.checkPrivateKey(parsedKey(key, this.#tls_key)))
      throw wrong(
        "tls_key",
        this.#tls_key,
        `must be the private key of the certificate in ${this.#tls_cert}`,
      );
    try {
      createSecureContext({ cert, key });
    } catch (error) {
      throw wrong("tls_cert", this.#tls_cert, `can't be used: ${(error as Error).message}`);
    }
    return { cert, key };
  }

  /** Whether a file is another one than when they were last read. */
  changed(): boolean {
    return this.#look() !== this.#seen;
  }

  /** What tells one state of the files from another, also where a name comes to lead elsewhere. */
  #look(): string {
    return [this.#tls_cert, this.#tls_key]
      .map((file) => statSync(file, { throwIfNoEntry: false }))
      .map((stat) => (stat ? `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs}` : "none"))
      .join(", ");
  }
}

function readPem(setting: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw wrong(setting, file, `can't be read: ${(error as Error).message}`);
  }
}

function parsedCertificate(cert: Buffer, file: string): X509Certificate {
  try {
    return new X509Certificate(cert);
  } catch (error) {
    throw wrong("tls_cert", file, `must be a certificate in PEM: ${(error as Error).message}`);
  }
}

function parsedKey(key: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (error) {
    throw wrong(
      "tls_key",
      file,
      `must be a private key in PEM without a passphrase: ${(error as Error).message}`,
    );
  }
}

function wrong(setting: string, file: string, what: string): EvenkeelError {
  return new EvenkeelError("invalid", `${setting}: ${file} ${what}`);
}
