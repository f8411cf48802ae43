//! What a TPM says about itself and its objects, signed by its attestation key.

use device_key_tpm2::{Attest, EcdsaSignature};
use device_key_types::{Sha256Digest, Signature, attestation::TpmBytes};

use super::{AttestationRefusal, Statement, StatementFault, tpm_keys::AttestationKey};

/// A statement as it came.
pub(super) struct SignedStatement<'a> {
    pub(super) statement: Statement,
    pub(super) attest: &'a TpmBytes,
    pub(super) signature: &'a TpmBytes,
}

impl SignedStatement<'_> {
    /// Verifies signature, signer, and that the statement was made for this digest. What it is about is
    /// left to the caller.
    pub(super) fn verify(
        &self,
        signer: &AttestationKey,
        extra_data: &Sha256Digest,
    ) -> Result<Attest, AttestationRefusal> {
        // The algorithm is matched before the union that it selects is read; the statement is parsed
        // once its signature holds.
        let signature = EcdsaSignature::from_tpmt(self.signature.as_bytes())
            .map_err(|_| self.refused(StatementFault::SignatureMalformed))?;
        let signature = Signature::from_scalars(signature.r, signature.s)
            .map_err(|_| self.refused(StatementFault::Signature))?;
        signer
            .public_key
            .verify(self.attest.as_bytes(), &signature.to_der())
            .map_err(|_| self.refused(StatementFault::Signature))?;
        let attest = Attest::parse(self.attest.as_bytes())
            .map_err(|_| self.refused(StatementFault::Malformed))?;
        // It says in which hierarchy the signer is: for a signer of the owner's, a TPM obfuscates the
        // firmware version (Part 2, 10.12.12).
        if attest.qualified_signer != signer.qualified_name {
            return Err(self.refused(StatementFault::Signer));
        }
        if attest.extra_data != extra_data.as_bytes() {
            return Err(self.refused(StatementFault::ExtraData));
        }
        Ok(attest)
    }

    pub(super) const fn refused(&self, fault: StatementFault) -> AttestationRefusal {
        AttestationRefusal::Statement(self.statement, fault)
    }
}
