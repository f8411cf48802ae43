//! Measures the verification of a connection proof against its bare signature.

use anyhow::{Result, ensure};
use device_key_testing::samples;
use device_key_types::SignPayload;
use device_key_verifier::{Proof, verify_connection};

use crate::figures::{Figures, Samples};
use crate::software_client::SoftwareClient;

const PROOFS: usize = 20_000;

/// Measures how long a backend takes to verify a connection proof, and how long the signature alone
/// takes.
pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    let client = SoftwareClient::new(0)?;
    let connection = samples::connection();
    let signed_bytes = SignPayload::Connection(connection.clone()).signed_bytes()?;
    let signature = client.sign(&signed_bytes)?;

    let bare_key = client.bare_key()?;
    let proof =
        Proof { signed_bytes: &signed_bytes, signature_der: &signature, public_key: &client.key };
    let [mut bare, mut whole] = <[Samples; 2]>::default();
    for _ in 0..PROOFS {
        let verified = bare.time(|| bare_key.verify_sig(&signed_bytes, &signature));
        ensure!(verified.is_ok(), "the signature is good");
        let outcome = whole.time(|| verify_connection(&proof, &connection, samples::NOW));
        ensure!(outcome?.payload() == &connection, "the proof is good");
    }
    let ratio = whole.median() / bare.median();
    figures.add("verify a proof / its signature alone, p50", ratio, 1.3, "x");
    figures.detail("verify a signature alone", &bare);
    figures.detail("verify a proof", &whole);
    Ok(())
}
