// Reads a case in JSON from each line of standard input; prints `ok` or the reason, `code[:field]`.

import { createInterface } from "node:readline";

import { type Proof, Refused, verifyConnection, verifyEnrollment } from "./verify.ts";

function judge(line: string): string {
  const given = JSON.parse(line);
  const proof: Proof = {
    signedPayload: Buffer.from(given.signedPayloadBase64, "base64"),
    signatureDer: Buffer.from(given.signatureDerBase64, "base64"),
    spkiDer: Buffer.from(given.publicKeySpkiDerBase64, "base64"),
  };
  const verify = given.statement === "enrollment" ? verifyEnrollment : verifyConnection;
  try {
    verify(proof, given.expected, given.now);
    return "ok";
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(judge(line));
}
