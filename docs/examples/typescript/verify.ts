// Verifies the two kinds of statements that a device key signs.
//
// This file needs only Node.js 18 or later. It keeps no state and reads no clock. The caller makes
// sure that a nonce is used once, and knows which key is registered for which client.

import { type KeyObject, createHash, createPublicKey, verify } from "node:crypto";

const DOMAIN = "codex-device-key-sign-payload/v1";
const CONNECTION = "remoteControlClientConnection";
const ENROLLMENT = "remoteControlClientEnrollment";

/** Every statement is shorter. */
const MAX_SIGNED_BYTES = 16 * 1024;
/** Devices sign no statement whose expiry is further ahead. */
const MAX_LIFETIME_SECONDS = 900;
/**
 * The start of a SubjectPublicKeyInfo (RFC 5480), before the 64 bytes of X and Y: an EC key on the
 * named curve P-256, as an uncompressed point.
 */
const SPKI_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex");

export type RefusalCode =
  | "invalid_public_key"
  | "proof_too_large"
  | "invalid_signature"
  | "malformed_statement"
  | "wrong_domain"
  | "wrong_statement"
  | "not_canonical"
  | "field_mismatch"
  | "expired"
  | "expires_too_late";

/** Why a proof is refused: a stable code, and the field if a single field is the reason. */
export class Refused extends Error {
  readonly code: RefusalCode;
  readonly field: string | undefined;

  constructor(code: RefusalCode, field?: string) {
    super(field === undefined ? code : `${code}:${field}`);
    this.code = code;
    this.field = field;
  }
}

/** The three things that a client presents, decoded from base64. */
export interface Proof {
  signedPayload: Uint8Array;
  signatureDer: Uint8Array;
  spkiDer: Uint8Array;
}

/** What this backend asked the client to sign, from its own records. */
export interface ExpectedConnection {
  nonce: string;
  sessionId: string;
  targetOrigin: string;
  targetPath: string;
  accountUserId: string;
  clientId: string;
  tokenSha256Base64url: string;
  tokenExpiresAt: number;
}

/**
 * What this backend asked the client to sign, from its own records. The client chooses the key id
 * and the protection class. The digest in the statement covers them.
 */
export interface ExpectedEnrollment {
  nonce: string;
  challengeId: string;
  targetOrigin: string;
  targetPath: string;
  accountUserId: string;
  clientId: string;
  keyId: string;
  protectionClass: string;
  challengeExpiresAt: number;
}

type Payload = Record<string, string | number | string[]>;

/**
 * Throws `Refused` unless the key signed the expected connection; `now` is in Unix seconds. The key
 * must be the key that is registered for the expected account and client.
 */
export function verifyConnection(proof: Proof, expected: ExpectedConnection, now: number): void {
  const key = publicKey(proof.spkiDer);
  const payload = {
    type: CONNECTION,
    nonce: expected.nonce,
    audience: "remote_control_client_websocket",
    sessionId: expected.sessionId,
    targetOrigin: expected.targetOrigin,
    targetPath: expected.targetPath,
    accountUserId: expected.accountUserId,
    clientId: expected.clientId,
    tokenSha256Base64url: expected.tokenSha256Base64url,
    scopes: ["remote_control_controller_websocket"],
    tokenExpiresAt: expected.tokenExpiresAt,
  };
  verifyStatement(proof, key, payload, "tokenExpiresAt", now);
}

/**
 * Throws `Refused` unless the key signed the expected enrollment; `now` is in Unix seconds. The key
 * is the key to register. Its own signature and the digest bind it to this enrollment.
 */
export function verifyEnrollment(proof: Proof, expected: ExpectedEnrollment, now: number): void {
  const key = publicKey(proof.spkiDer);
  const identity = {
    algorithm: "ecdsa_p256_sha256",
    keyId: expected.keyId,
    protectionClass: expected.protectionClass,
    publicKeySpkiDerBase64: Buffer.from(proof.spkiDer).toString("base64"),
  };
  requireAll(identity);
  const digest = createHash("sha256").update(canonical(identity)).digest("base64url");
  const payload = {
    type: ENROLLMENT,
    nonce: expected.nonce,
    audience: "remote_control_client_enrollment",
    challengeId: expected.challengeId,
    targetOrigin: expected.targetOrigin,
    targetPath: expected.targetPath,
    accountUserId: expected.accountUserId,
    clientId: expected.clientId,
    deviceIdentitySha256Base64url: digest,
    challengeExpiresAt: expected.challengeExpiresAt,
  };
  verifyStatement(proof, key, payload, "challengeExpiresAt", now);
}

function verifyStatement(
  proof: Proof,
  key: KeyObject,
  payload: Payload,
  expiry: string,
  now: number,
): void {
  requireAll(payload);
  if (proof.signedPayload.length > MAX_SIGNED_BYTES) throw new Refused("proof_too_large");
  // OpenSSL accepts only strict DER, with r and s between 1 and the order of the curve.
  if (!verify("sha256", proof.signedPayload, { key, dsaEncoding: "der" }, proof.signatureDer)) {
    throw new Refused("invalid_signature");
  }
  // A statement has only one spelling, so the expected statement is one byte string. Comparing the
  // bytes parses nothing, so no parser can be misled.
  if (!signedBytes(payload).equals(proof.signedPayload)) {
    throw difference(proof.signedPayload, payload);
  }
  const expiresAt = Number(payload[expiry]);
  // The comparisons are written so that they fail if `now` is not a number.
  if (!(now < expiresAt)) throw new Refused("expired", expiry);
  if (!(expiresAt <= now + MAX_LIFETIME_SECONDS)) throw new Refused("expires_too_late", expiry);
}

/**
 * Throws `TypeError` if a value that this backend expects is missing in its records. TypeScript
 * checks no types at run time.
 */
function requireAll(members: Payload): void {
  for (const [name, value] of Object.entries(members)) {
    const usable = typeof value === "string" || Array.isArray(value) || Number.isSafeInteger(value);
    if (!usable || !value) throw new TypeError(`this backend's records have no value for ${name}`);
  }
}

/** Parses the only accepted encoding of a key. Equal keys therefore have equal bytes. */
function publicKey(spkiDer: Uint8Array): KeyObject {
  const prefix = spkiDer.subarray(0, SPKI_PREFIX.length);
  if (spkiDer.length === SPKI_PREFIX.length + 64 && SPKI_PREFIX.equals(prefix)) {
    try {
      // This call refuses a point that is not on the curve.
      return createPublicKey({ key: Buffer.from(spkiDer), format: "der", type: "spki" });
    } catch {
      // The key is refused below, as every other encoding is.
    }
  }
  throw new Refused("invalid_public_key");
}

function signedBytes(payload: Payload): Buffer {
  return Buffer.from(`{"domain":"${DOMAIN}","payload":${canonical(payload)}}`);
}

/**
 * Writes RFC 8785 for the values in statements: ASCII names, strings and integers. `JSON.stringify`
 * writes these values as the RFC requires, so only the names must be sorted.
 */
function canonical(members: Payload): string {
  const sorted = Object.entries(members).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify(Object.fromEntries(sorted));
}

/** Finds out how the signed bytes differ. The caller refuses them in any case. */
function difference(signedPayload: Uint8Array, expected: Payload): Refused {
  let text: string;
  let signed: unknown;
  try {
    // `toString` would replace invalid UTF-8, and a decoder with default options would drop a byte
    // order mark.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(signedPayload);
    signed = JSON.parse(text);
  } catch {
    return new Refused("malformed_statement");
  }
  if (!isObject(signed) || !hasNames(signed, ["domain", "payload"])) {
    return new Refused("malformed_statement");
  }
  if (signed["domain"] !== DOMAIN) return new Refused("wrong_domain");
  const payload = signed["payload"];
  if (!isObject(payload) || isLossy(text, 2 + Object.keys(payload).length)) {
    return new Refused("malformed_statement");
  }
  const type = payload["type"];
  if (type !== CONNECTION && type !== ENROLLMENT) return new Refused("malformed_statement");
  if (type !== expected["type"]) return new Refused("wrong_statement");
  const names = Object.keys(expected);
  if (!hasNames(payload, names) || !hasTypesOf(payload, expected)) {
    return new Refused("malformed_statement");
  }
  if (!signedBytes(payload).equals(signedPayload)) return new Refused("not_canonical");
  const differs = (name: string) => JSON.stringify(payload[name]) !== JSON.stringify(expected[name]);
  const field = names.find(differs);
  if (field === undefined) throw new Error("canonical bytes of equal values differ");
  return new Refused("field_mismatch", field);
}

/**
 * Whether `JSON.parse` lost information from this JSON text: the first of two members with one name,
 * or the spelling of a number that was not written as an integer.
 */
function isLossy(text: string, members: number): boolean {
  const withoutStrings = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, '""');
  const names = withoutStrings.match(/""\s*:/g) ?? [];
  return names.length !== members || /[.eE]/.test(withoutStrings);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function hasNames(value: Record<string, unknown>, names: string[]): boolean {
  const all = names.every((name) => Object.hasOwn(value, name));
  return all && Object.keys(value).length === names.length;
}

function hasTypesOf(payload: Record<string, unknown>, expected: Payload): payload is Payload {
  return Object.entries(expected).every(([name, model]) => {
    const value = payload[name];
    if (Array.isArray(model)) return Array.isArray(value) && value.every(isText);
    return typeof model === "string" ? isText(value) : Number.isSafeInteger(value);
  });
}

/** Whether the value is a string without lone surrogates, which JSON can escape but UTF-8 cannot. */
function isText(value: unknown): value is string {
  return typeof value === "string" && !/\p{Surrogate}/u.test(value);
}
