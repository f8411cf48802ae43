//! Verifies the statements about a TPM's objects that the TPM's attestation key signs.

use device_key_tpm2::{Attest, EcdsaSignature};
use device_key_types::attestation::TpmBytes;
use device_key_types::{Sha256Digest, Signature};

use super::error::{AttestationError, StatementError, TpmStatement};
use super::tpm_keys::AttestationKey;

/// A statement as the client sent it.
pub(super) struct SignedStatement<'a> {
    pub(super) statement: TpmStatement,
    pub(super) attest: &'a TpmBytes,
    pub(super) signature: &'a TpmBytes,
}

impl SignedStatement<'_> {
    /// Verifies the signature and the signer, and that the TPM made the statement for this digest.
    /// The caller checks the object that the statement is about.
    pub(super) fn verify(
        &self,
        signer: &AttestationKey,
        extra_data: &Sha256Digest,
    ) -> Result<Attest, AttestationError> {
        // The algorithm selects a union, so it is compared before the union is read. The statement
        // is parsed only after its signature is verified.
        let signature = EcdsaSignature::from_tpmt(self.signature.as_bytes())
            .map_err(|_| self.refused(StatementError::SignatureMalformed))?;
        let signature = Signature::from_scalars(signature.r, signature.s)
            .map_err(|_| self.refused(StatementError::Signature))?;
        signer
            .public_key
            .verify(self.attest.as_bytes(), &signature.to_der())
            .map_err(|_| self.refused(StatementError::Signature))?;
        let attest = Attest::parse(self.attest.as_bytes())
            .map_err(|_| self.refused(StatementError::Malformed))?;
        // The qualified name also fixes the signer's hierarchy. If the signer were in the owner
        // hierarchy, the TPM would obfuscate the firmware version (Part 2, 10.12.12).
        if attest.qualified_signer != signer.qualified_name {
            return Err(self.refused(StatementError::Signer));
        }
        if attest.extra_data != extra_data.as_bytes() {
            return Err(self.refused(StatementError::ExtraData));
        }
        Ok(attest)
    }

    pub(super) const fn refused(&self, error: StatementError) -> AttestationError {
        AttestationError::Statement(self.statement, error)
    }
}
