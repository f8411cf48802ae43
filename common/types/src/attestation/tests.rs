//! Tests of challenges, claims and evidence.

use base64ct::{Base64, Encoding as _};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::payload::{Statement, StatementPolicy};
use crate::{
    DeviceKeyId, Field, FieldError, Origin, ProtectionClass, PublicKey, Reason, Sha256Digest,
    TargetPath, UnixTime,
};

/// Allows one path, up to a time.
struct AllowUntil(i64);

const PATH: &str = "/wham/remote/control/client/enroll/attestation";

impl StatementPolicy for AllowUntil {
    fn origin(&self, _: Statement, _: &Origin) -> Result<(), Reason> {
        Ok(())
    }
    fn path(&self, statement: Statement, _: &Origin, path: &TargetPath) -> Result<(), Reason> {
        match (statement, path.as_str()) {
            (Statement::Attestation, PATH) => Ok(()),
            _ => Err(Reason::PathNotAllowed),
        }
    }
    fn expiry(&self, expires_at: UnixTime) -> Result<(), Reason> {
        if expires_at.as_seconds() <= self.0 { Ok(()) } else { Err(Reason::ExpiresTooLate) }
    }
}

fn challenge(account: &str, client: &str, expires_at: i64) -> Value {
    json!({
        "type": "remoteControlClientAttestation",
        "audience": "remote_control_client_attestation",
        "nonce": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "challengeId": "rch_1",
        "targetOrigin": "https://chatgpt.com",
        "targetPath": PATH,
        "accountUserId": account,
        "clientId": client,
        "challengeExpiresAt": expires_at,
    })
}

fn parse(challenge: &Value) -> Result<Challenge, FieldError> {
    Draft::from_json(&challenge.to_string()).unwrap().parse(&AllowUntil(100))
}

/// The base point of P-256 (SP 800-186 section 3.2.1.3) as a public key.
const SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";

fn claim(challenge: Challenge) -> Claim {
    Claim {
        challenge,
        key_id: DeviceKeyId::from_random_bytes([3; 32]),
        public_key: PublicKey::from_spki_der(&Base64::decode_vec(SPKI).unwrap()).unwrap(),
        protection_class: ProtectionClass::HardwareTpm,
    }
}

fn digest(domain: &str, payload: &Value) -> Sha256Digest {
    let attested = json!({"domain": domain, "payload": payload});
    Sha256Digest::of(&serde_json_canonicalizer::to_vec(&attested).unwrap())
}

proptest! {
    #[test]
    fn digests_are_over_what_an_independent_canonicalizer_writes(
        account in "[^\\p{Cc}]{1,60}", client in "[^\\p{Cc}]{1,60}", secret in any::<[u8; 32]>(),
    ) {
        let mut payload = challenge(&account, &client, 100);
        let claim = claim(parse(&payload).unwrap());
        payload["keyId"] = json!(claim.key_id.to_string());
        payload["protectionClass"] = json!("hardware_tpm");
        payload["publicKeySpkiDerBase64"] = json!(SPKI);
        prop_assert_eq!(claim.identity_digest().unwrap(), digest(IDENTITY_DOMAIN, &payload));
        let secret = Sha256Digest::of(&secret);
        payload["activatedSecretSha256Base64url"] = json!(secret.to_string());
        prop_assert_eq!(
            claim.certification_digest(&secret).unwrap(),
            digest(CERTIFICATION_DOMAIN, &payload)
        );
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let _ = Draft::from_json(&text);
        let _ = text.parse::<TpmBytes>();
        let _ = serde_json::from_str::<Identity>(&text);
        let _ = serde_json::from_str::<Activation>(&text);
    }
}

#[test]
fn each_field_is_refused_by_name_in_its_order() {
    let mut faulty = challenge("a\n", "", 101);
    faulty["nonce"] = json!("AAAA");
    faulty["challengeId"] = json!("");
    faulty["targetOrigin"] = json!("https://CHATGPT.com");
    faulty["targetPath"] = json!("/wham/remote/control/client/enroll");
    let good = challenge("a", "c", 100);
    for (field, reason) in [
        (Field::Nonce, Reason::InvalidNonce),
        (Field::ChallengeId, Reason::EmptyField),
        (Field::TargetOrigin, Reason::OriginNotCanonical),
        (Field::TargetPath, Reason::PathNotAllowed),
        (Field::AccountUserId, Reason::ControlCharacter),
        (Field::ClientId, Reason::EmptyField),
        (Field::ChallengeExpiresAt, Reason::ExpiresTooLate),
    ] {
        assert_eq!(parse(&faulty), Err(FieldError { field, reason }));
        faulty[field.as_str()] = good[field.as_str()].clone();
    }
    assert!(parse(&faulty).is_ok());
}

#[test]
fn a_challenge_has_its_own_type_and_audience_and_nothing_more() {
    let good = challenge("a", "c", 100);
    for (member, value) in [
        ("type", json!("remoteControlClientEnrollment")),
        ("audience", json!("remote_control_client_enrollment")),
        ("deviceIdentitySha256Base64url", json!("x")),
        ("challengeExpiresAt", json!("100")),
        ("challengeExpiresAt", json!(1.5)),
    ] {
        let mut changed = good.clone();
        changed[member] = value;
        assert!(Draft::from_json(&changed.to_string()).is_err(), "{member}");
    }
    assert!(Draft::from_json("[]").is_err());
}

#[test]
fn a_challenge_that_was_built_from_values_is_checked_too() {
    let challenge = parse(&challenge("a", "c", 100)).unwrap();
    assert_eq!(challenge.allowed_by(&AllowUntil(100)), Ok(()));
    let late = FieldError { field: Field::ChallengeExpiresAt, reason: Reason::ExpiresTooLate };
    assert_eq!(challenge.allowed_by(&AllowUntil(99)), Err(late));
    let mut elsewhere = challenge;
    elsewhere.target.path = "/wham/remote/control/client/enroll".parse().unwrap();
    let path = FieldError { field: Field::TargetPath, reason: Reason::PathNotAllowed };
    assert_eq!(elsewhere.allowed_by(&AllowUntil(100)), Err(path));
}

#[test]
fn evidence_is_bounded_and_has_one_spelling() {
    assert_eq!("AAE=".parse::<TpmBytes>().unwrap().as_bytes(), [0, 1]);
    for text in ["AAE", "AAF=", "AA E=", "AA_=", "A"] {
        assert_eq!(text.parse::<TpmBytes>(), Err(InvalidEvidence), "{text}");
    }
    assert!(TpmBytes::try_from(vec![0; TpmBytes::MAX]).is_ok());
    assert!(TpmBytes::try_from(vec![0; TpmBytes::MAX + 1]).is_err());
    let longest = Base64::encode_string(&[0; TpmBytes::MAX]);
    assert!(longest.parse::<TpmBytes>().is_ok());
    assert!(Base64::encode_string(&[0; TpmBytes::MAX + 1]).parse::<TpmBytes>().is_err());
    assert!(ActivatedSecret::from_bytes(&[]).is_err());
    assert!(ActivatedSecret::from_bytes(&[1; ActivatedSecret::MAX + 1]).is_err());
}

#[test]
fn evidence_round_trips_and_debug_hides_it() {
    let activation = Activation {
        secret: ActivatedSecret::from_bytes(&[7; 32]).unwrap(),
        attest: vec![1, 2, 3].try_into().unwrap(),
        signature: vec![4].try_into().unwrap(),
    };
    let json = serde_json::to_value(&activation).unwrap();
    assert_eq!(json["attestBase64"], "AQID");
    assert_eq!(serde_json::from_value::<Activation>(json).unwrap(), activation);
    let shown = format!("{activation:?}");
    assert!(!shown.contains('7') && !shown.contains("1, 2"), "{shown}");
    for kind in EndorsementKeyKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
}
