//! A client of the backend whose key is in software, so that no TPM limits the measurement.

use anyhow::{Context as _, Result};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    ParsedPublicKey,
};
use device_key_relying_party::{
    ConnectionInvitation, ConnectionProof, EnrollmentAnswer, EnrollmentInvitation,
};
use device_key_types::payload::{Connection, Enrollment, device_identity_digest};
use device_key_types::{
    AccountUserId, ClientId, DeviceKeyId, ProtectionClass, Sha256Digest, SignPayload,
};
use device_key_verifier::ProofKey;

/// A client with a key in software and an account of its own.
pub(crate) struct SoftwareClient {
    pub(crate) account: AccountUserId,
    pub(crate) name: ClientId,
    pub(crate) key_id: DeviceKeyId,
    pub(crate) key: ProofKey,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

const CLASS: ProtectionClass = ProtectionClass::HardwareTpm;

impl SoftwareClient {
    pub(crate) fn new(number: u32) -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
        Ok(Self {
            account: format!("account-{number:08}").parse()?,
            name: "cli_0123456789".parse()?,
            // Spread over the table, as random ids are.
            key_id: DeviceKeyId::from_random_bytes(
                *Sha256Digest::of(&number.to_be_bytes()).as_bytes(),
            ),
            key: ProofKey::from_spki_der(spki.as_ref())?,
            pair,
            random: SystemRandom::new(),
        })
    }

    pub(crate) fn enrollment(&self, invitation: &EnrollmentInvitation) -> Result<EnrollmentAnswer> {
        let EnrollmentInvitation { challenge, target, .. } = invitation;
        let identity = device_identity_digest(&self.key_id, CLASS, self.key.public_key())?;
        let signed_bytes = SignPayload::Enrollment(Enrollment {
            nonce: challenge.nonce.clone(),
            challenge_id: challenge.challenge_id.clone(),
            target: target.clone(),
            account_user_id: self.account.clone(),
            client_id: self.name.clone(),
            device_identity_sha256: identity,
            challenge_expires_at: challenge.expires_at,
        })
        .signed_bytes()?;
        Ok(EnrollmentAnswer {
            challenge_id: challenge.challenge_id.clone(),
            key_id: self.key_id,
            key: self.key.clone(),
            protection_class: CLASS,
            signature_der: self.sign(&signed_bytes)?,
            signed_bytes,
            activation: None,
        })
    }

    pub(crate) fn connection(&self, invitation: &ConnectionInvitation) -> Result<ConnectionProof> {
        let ConnectionInvitation { challenge, target, .. } = invitation;
        let signed_bytes = SignPayload::Connection(Connection {
            nonce: challenge.nonce.clone(),
            session_id: challenge.session_id.clone(),
            target: target.clone(),
            account_user_id: self.account.clone(),
            client_id: self.name.clone(),
            token_sha256: challenge.token_sha256,
            token_expires_at: challenge.expires_at,
        })
        .signed_bytes()?;
        Ok(ConnectionProof {
            key_id: self.key_id,
            signature_der: self.sign(&signed_bytes)?,
            signed_bytes,
        })
    }

    /// Returns the public key for verifications that check nothing but the signature.
    pub(crate) fn bare_key(&self) -> Result<ParsedPublicKey> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.key.public_key().spki_der())
            .ok()
            .context("a public key")
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(self.pair.sign(&self.random, message)?.as_ref().to_vec())
    }
}
