//! Verifies signatures with the `openssl` command.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::exit::Failure;

/// Whether `openssl dgst -sha256 -verify` accepts the signature. OpenSSL shares no code with this
/// project.
pub(super) fn verifies(
    folder: &Path,
    spki_der: &[u8],
    message: &[u8],
    signature_der: &[u8],
) -> Result<bool, Failure> {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).map(|()| path)
    };
    let failed = |error: std::io::Error| Failure::system("cannot run openssl", &error);
    let key = write("public-key.der", spki_der).map_err(failed)?;
    let message = write("message", message).map_err(failed)?;
    let signature = write("signature.der", signature_der).map_err(failed)?;
    let verification = Command::new("openssl")
        .args(["dgst", "-sha256", "-keyform", "DER", "-verify"])
        .arg(key)
        .arg("-signature")
        .arg(signature)
        .arg(message)
        .output()
        .map_err(failed)?;
    Ok(verification.status.success())
}
