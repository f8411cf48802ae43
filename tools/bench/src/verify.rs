//! Measures the verification of a connection proof against its bare signature.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
        ParsedPublicKey,
    },
};
use device_key_testing::samples;
use device_key_types::SignPayload;
use device_key_verifier::{Proof, ProofKey, verify_connection};

use crate::figures::{Figures, Samples};

const PROOFS: usize = 20_000;

/// Measures how long a backend takes to verify a connection proof, and how long the signature alone
/// takes.
pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let spki: PublicKeyX509Der<'_> = key.public_key().as_der()?;
    let connection = samples::connection();
    let signed_bytes = SignPayload::Connection(connection.clone()).signed_bytes()?;
    let signature = key.sign(&SystemRandom::new(), &signed_bytes)?;

    let bare_key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, spki.as_ref())
        .ok()
        .context("the public key that the library made")?;
    let public_key = ProofKey::from_spki_der(spki.as_ref())?;
    let proof = Proof {
        signed_bytes: &signed_bytes,
        signature_der: signature.as_ref(),
        public_key: &public_key,
    };
    let [mut bare, mut whole] = <[Samples; 2]>::default();
    for _ in 0..PROOFS {
        let start = Instant::now();
        let verifies = bare_key.verify_sig(&signed_bytes, signature.as_ref()).is_ok();
        bare.push(start.elapsed());
        ensure!(verifies, "the signature is good");
        let start = Instant::now();
        let outcome = verify_connection(&proof, &connection, samples::NOW);
        whole.push(start.elapsed());
        ensure!(outcome?.payload() == &connection, "the proof is good");
    }
    let ratio = whole.median() / bare.median();
    figures.add("verify a proof / its signature alone, p50", ratio, 1.3, "x");
    figures.detail("verify a signature alone", &bare);
    figures.detail("verify a proof", &whole);
    Ok(())
}
