"""Verifies the two kinds of statements that a device key signs.

This file needs Python 3.9 and `cryptography` 38, or later versions. It keeps no state and reads no
clock. The caller makes sure that a nonce is used once, and knows which key is registered for which
client.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Optional, TypedDict

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

DOMAIN = "codex-device-key-sign-payload/v1"
CONNECTION = "remoteControlClientConnection"
ENROLLMENT = "remoteControlClientEnrollment"

# Every statement is shorter.
MAX_SIGNED_BYTES = 16 * 1024
# Devices sign no statement whose expiry is further ahead.
MAX_LIFETIME_SECONDS = 900
# The start of a SubjectPublicKeyInfo (RFC 5480), before the 64 bytes of X and Y: an EC key on the
# named curve P-256, as an uncompressed point.
SPKI_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


class Refused(Exception):
    """Why a proof is refused: a stable code, and the field if a single field is the reason."""

    def __init__(self, code: str, field: Optional[str] = None):
        super().__init__(f"{code}:{field}" if field else code)
        self.code = code
        self.field = field


class ExpectedConnection(TypedDict):
    """What this backend asked the client to sign, from its own records."""

    nonce: str
    sessionId: str
    targetOrigin: str
    targetPath: str
    accountUserId: str
    clientId: str
    tokenSha256Base64url: str
    tokenExpiresAt: int


class ExpectedEnrollment(TypedDict):
    """What this backend asked the client to sign, from its own records.

    The client chooses the key id and the protection class. The digest in the statement covers them.
    """

    nonce: str
    challengeId: str
    targetOrigin: str
    targetPath: str
    accountUserId: str
    clientId: str
    keyId: str
    protectionClass: str
    challengeExpiresAt: int


def verify_connection(
    signed_payload: bytes,
    signature_der: bytes,
    spki_der: bytes,
    expected: ExpectedConnection,
    now: float,
) -> None:
    """Raises `Refused` unless the key signed the expected connection; `now` is in Unix seconds.

    The key must be the key that is registered for the expected account and client.
    """
    public_key = _public_key(spki_der)
    payload = {
        "type": CONNECTION,
        "nonce": expected["nonce"],
        "audience": "remote_control_client_websocket",
        "sessionId": expected["sessionId"],
        "targetOrigin": expected["targetOrigin"],
        "targetPath": expected["targetPath"],
        "accountUserId": expected["accountUserId"],
        "clientId": expected["clientId"],
        "tokenSha256Base64url": expected["tokenSha256Base64url"],
        "scopes": ["remote_control_controller_websocket"],
        "tokenExpiresAt": expected["tokenExpiresAt"],
    }
    _verify(signed_payload, signature_der, public_key, payload, "tokenExpiresAt", now)


def verify_enrollment(
    signed_payload: bytes,
    signature_der: bytes,
    spki_der: bytes,
    expected: ExpectedEnrollment,
    now: float,
) -> None:
    """Raises `Refused` unless the key signed the expected enrollment; `now` is in Unix seconds.

    The key is the key to register. Its own signature and the digest bind it to this enrollment.
    """
    public_key = _public_key(spki_der)
    identity = {
        "algorithm": "ecdsa_p256_sha256",
        "keyId": expected["keyId"],
        "protectionClass": expected["protectionClass"],
        "publicKeySpkiDerBase64": base64.b64encode(spki_der).decode("ascii"),
    }
    _require_all(identity)
    digest = base64.urlsafe_b64encode(hashlib.sha256(_canonical(identity)).digest())
    payload = {
        "type": ENROLLMENT,
        "nonce": expected["nonce"],
        "audience": "remote_control_client_enrollment",
        "challengeId": expected["challengeId"],
        "targetOrigin": expected["targetOrigin"],
        "targetPath": expected["targetPath"],
        "accountUserId": expected["accountUserId"],
        "clientId": expected["clientId"],
        "deviceIdentitySha256Base64url": digest.decode("ascii").rstrip("="),
        "challengeExpiresAt": expected["challengeExpiresAt"],
    }
    _verify(signed_payload, signature_der, public_key, payload, "challengeExpiresAt", now)


def _verify(
    signed_payload: bytes,
    signature_der: bytes,
    public_key: ec.EllipticCurvePublicKey,
    payload: dict[str, Any],
    expiry: str,
    now: float,
) -> None:
    _require_all(payload)
    if len(signed_payload) > MAX_SIGNED_BYTES:
        raise Refused("proof_too_large")
    try:
        # OpenSSL accepts only strict DER, with r and s between 1 and the order of the curve.
        public_key.verify(signature_der, signed_payload, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise Refused("invalid_signature") from None
    # A statement has only one spelling, so the expected statement is one byte string. Comparing the
    # bytes parses nothing, so no parser can be misled.
    if signed_payload != _signed_bytes(payload):
        raise _difference(signed_payload, payload)
    # The comparisons are written so that they fail if `now` is not a number.
    if not now < payload[expiry]:
        raise Refused("expired", expiry)
    if not payload[expiry] <= now + MAX_LIFETIME_SECONDS:
        raise Refused("expires_too_late", expiry)


def _require_all(members: dict[str, Any]) -> None:
    """Raises `TypeError` if a value that this backend expects is missing in its records."""
    for name, value in members.items():
        if type(value) not in (str, int, list) or not value:
            raise TypeError(f"this backend's records have no value for {name}")


def _public_key(spki_der: bytes) -> ec.EllipticCurvePublicKey:
    """Parses the only accepted encoding of a key. Equal keys therefore have equal bytes."""
    if spki_der.startswith(SPKI_PREFIX):
        try:
            # This call refuses other lengths and points that are not on the curve. The point begins
            # with the last byte of the prefix, which is 0x04 for an uncompressed point.
            point = spki_der[len(SPKI_PREFIX) - 1 :]
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError:
            pass
    raise Refused("invalid_public_key")


def _signed_bytes(payload: dict[str, Any]) -> bytes:
    return _canonical({"domain": DOMAIN, "payload": payload})


def _canonical(value: dict[str, Any]) -> bytes:
    """Writes RFC 8785 for the values in statements: ASCII names, strings and integers.

    With `ensure_ascii=False` Python escapes the characters that the RFC escapes, as the RFC does.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode("utf-8")


def _difference(signed_payload: bytes, expected: dict[str, Any]) -> Refused:
    """Finds out how the signed bytes differ. The caller refuses them in any case."""
    try:
        # The text is decoded here, because `json.loads` also accepts bytes in other encodings.
        text = signed_payload.decode("utf-8")
        signed = json.loads(text, object_pairs_hook=_without_duplicates)
        canonical = _canonical(signed)
    # A syntax error and a lone surrogate, which cannot be encoded, raise ValueError. JSON that is
    # nested too deeply raises RecursionError.
    except (ValueError, RecursionError):
        return Refused("malformed_statement")
    if type(signed) is not dict or signed.keys() != {"domain", "payload"}:
        return Refused("malformed_statement")
    if signed["domain"] != DOMAIN:
        return Refused("wrong_domain")
    payload = signed["payload"]
    if type(payload) is not dict or payload.get("type") not in (CONNECTION, ENROLLMENT):
        return Refused("malformed_statement")
    if payload["type"] != expected["type"]:
        return Refused("wrong_statement")
    if payload.keys() != expected.keys():
        return Refused("malformed_statement")
    if not all(_same_type(payload[name], value) for name, value in expected.items()):
        return Refused("malformed_statement")
    if canonical != signed_payload:
        return Refused("not_canonical")
    for name, value in expected.items():
        if payload[name] != value:
            return Refused("field_mismatch", name)
    raise AssertionError("canonical bytes of equal values differ")


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses two members with one name. Without this hook Python would keep the last member."""
    unique = dict(members)
    if len(unique) != len(members):
        raise ValueError("a name occurs twice")
    return unique


def _same_type(value: Any, expected: Any) -> bool:
    # `isinstance` would accept `true` as an integer.
    if type(value) is not type(expected):
        return False
    if type(value) is list:
        return all(type(item) is str for item in value)
    # Every JSON parser reads integers of this size exactly (RFC 8259, section 6).
    return type(value) is str or abs(value) < 2**53
