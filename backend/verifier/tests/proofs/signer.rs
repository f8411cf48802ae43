//! A device key in software, which signs for the tests.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use device_key_types::payload::{Connection, Enrollment};
use device_key_types::{SignPayload, UnixTime};
use device_key_verifier::{
    Proof, ProofError, ProofKey, VerifiedConnection, VerifiedEnrollment, verify_connection,
    verify_enrollment,
};

pub(crate) struct Signer {
    pair: EcdsaKeyPair,
    pub(crate) public_key: ProofKey,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let spki = pair.public_key().as_der().unwrap();
        let public_key = ProofKey::from_spki_der(spki.as_ref()).unwrap();
        Self { pair, public_key }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// Signs any bytes and presents them as a connection.
    pub(crate) fn connect(
        &self,
        signed_bytes: &[u8],
        expected: &Connection,
        now: UnixTime,
    ) -> Result<VerifiedConnection, ProofError> {
        let signature_der = &self.sign(signed_bytes);
        let proof = Proof { signed_bytes, signature_der, public_key: &self.public_key };
        verify_connection(&proof, expected, now)
    }

    /// Signs any bytes and presents them as an enrollment.
    pub(crate) fn enroll(
        &self,
        signed_bytes: &[u8],
        expected: &Enrollment,
        now: UnixTime,
    ) -> Result<VerifiedEnrollment, ProofError> {
        let signature_der = &self.sign(signed_bytes);
        let proof = Proof { signed_bytes, signature_der, public_key: &self.public_key };
        verify_enrollment(&proof, expected, now)
    }
}

pub(crate) fn connection_bytes(payload: &Connection) -> Vec<u8> {
    SignPayload::Connection(payload.clone()).signed_bytes().unwrap()
}

pub(crate) fn enrollment_bytes(payload: &Enrollment) -> Vec<u8> {
    SignPayload::Enrollment(payload.clone()).signed_bytes().unwrap()
}
