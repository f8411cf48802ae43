//! A backend that enrolls a device key, accepts a connection of this key, and refuses a proof that
//! was made for another challenge.
//!
//! `cargo run -p device-key-verifier --example verify`. The device of this example is a key in
//! software. A real device signs such statements in its TPM (`device/key/sign`).

use std::error::Error;
use std::time::SystemTime;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use device_key_types::payload::{Connection, Enrollment, Target, device_identity_digest};
use device_key_types::{DeviceKeyId, Nonce, ProtectionClass, Sha256Digest, SignPayload, UnixTime};
use device_key_verifier::{Proof, ProofError, ProofKey, verify_connection, verify_enrollment};

/// How long a device has to answer a challenge, in seconds.
const LIFETIME_SECONDS: i64 = 60;

/// The client's side: a key, and the public key that the client shows to the backend.
struct Device {
    pair: EcdsaKeyPair,
    public_key: Vec<u8>,
}

/// What a client sends: the bytes that were signed, and the signature in DER.
struct Signed {
    bytes: Vec<u8>,
    signature: Vec<u8>,
}

impl Device {
    fn new() -> Result<Self, Box<dyn Error>> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let public_key = pair.public_key().as_der()?.as_ref().to_vec();
        Ok(Self { pair, public_key })
    }

    fn sign(&self, statement: &SignPayload) -> Result<Signed, Box<dyn Error>> {
        let bytes = statement.signed_bytes()?;
        let signature = self.pair.sign(&SystemRandom::new(), &bytes)?.as_ref().to_vec();
        Ok(Signed { bytes, signature })
    }
}

impl Signed {
    fn proof<'a>(&'a self, public_key: &'a ProofKey) -> Proof<'a> {
        Proof { signed_bytes: &self.bytes, signature_der: &self.signature, public_key }
    }
}

/// A nonce for one challenge. A backend forgets the nonce once the challenge is answered.
fn nonce() -> Result<Nonce, Box<dyn Error>> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(Base64UrlUnpadded::encode_string(&bytes).parse()?)
}

fn target(path: &str) -> Result<Target, Box<dyn Error>> {
    Ok(Target { origin: "https://chatgpt.com".parse()?, path: path.parse()? })
}

/// Enrolls a key, accepts a connection, and returns why the replayed proof is refused.
pub fn enroll_and_connect(now: UnixTime) -> Result<ProofError, Box<dyn Error>> {
    let device = Device::new()?;

    // The client sends its public key. The backend parses the key once and keeps it.
    let key = ProofKey::from_spki_der(&device.public_key)?;
    let key_id: DeviceKeyId = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".parse()?;
    let identity = device_identity_digest(&key_id, ProtectionClass::HardwareTpm, key.public_key())?;

    // The backend asks the client to enroll, and keeps what it asked for.
    let enrollment = Enrollment {
        nonce: nonce()?,
        challenge_id: "challenge-1".parse()?,
        target: target("/wham/remote/control/client/enroll")?,
        account_user_id: "account-1".parse()?,
        client_id: "client-1".parse()?,
        device_identity_sha256: identity,
        challenge_expires_at: now.saturating_add(LIFETIME_SECONDS),
    };
    let signed = device.sign(&SignPayload::Enrollment(enrollment.clone()))?;
    let enrolled = verify_enrollment(&signed.proof(&key), &enrollment, now)?;
    println!("enrolled {key_id} for {}", enrolled.payload().account_user_id.as_str());

    // Later the client connects with a token that the backend issued.
    let connection = Connection {
        nonce: nonce()?,
        session_id: "session-1".parse()?,
        target: target("/wham/remote/control/client")?,
        account_user_id: "account-1".parse()?,
        client_id: "client-1".parse()?,
        token_sha256: Sha256Digest::of(b"the token that the backend issued"),
        token_expires_at: now.saturating_add(LIFETIME_SECONDS),
    };
    let signed = device.sign(&SignPayload::Connection(connection.clone()))?;
    let connected = verify_connection(&signed.proof(&key), &connection, now)?;
    println!("connected session {}", connected.payload().session_id.as_str());

    // The proof is replayed. The backend has issued another nonce by then.
    let next = Connection { nonce: nonce()?, ..connection };
    let refused = verify_connection(&signed.proof(&key), &next, now);
    refused.err().ok_or_else(|| "a replayed proof was accepted".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now = UnixTime::from_seconds(since_epoch.as_secs().try_into()?);
    let error = enroll_and_connect(now)?;
    println!("refused the replayed proof: {} ({error})", error.reason());
    Ok(())
}
