import { generate } from "selfsigned";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/**
 * Makes a new certificate for 127.0.0.1, localhost and more IP addresses. Only clients that are given it trust it. It
 * is needed because kubectl sends no token without TLS.
 */
export async function makeCertificate(addresses: readonly string[] = []): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: "commonName", value: "dispatcher local cluster" }], {
    keyType: "ec",
    curve: "P-256",
    extensions: [
      { name: "basicConstraints", cA: true },
      {
        name: "subjectAltName",
        altNames: [
          ...["127.0.0.1", ...addresses].map((ip) => ({ type: 7 as const, ip })),
          { type: 2, value: "localhost" },
        ],
      },
    ],
  });
  return { key, cert };
}
