//! The two verifications of an attestation: the identity of the TPM, then its activation.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use device_key_tpm2::{Attested, CreationData, EndorsementPublic, Handle, HashAlgorithm, Name};
use device_key_types::attestation::{Activation, Claim, Credential, Identity};
use device_key_types::{
    FieldError, ProtectionClass, RandomSource, Sha256Digest, UnixTime, check_expiry, payload,
};

use super::credential::{CredentialError, SECRET_BYTES, make_credential};
use super::endorsement_key::{self, CertifiedKey};
use super::error::{AttestationError, StatementError, TpmStatement};
use super::statement::SignedStatement;
use super::tpm_keys::{self, AttestationKey};
use super::trust_roots::TrustRoots;
use super::verified_key::{TpmDescription, VerifiedKey, VerifiedKind};

/// A TPM that a root vouches for, and the keys that the client claims are in the TPM. Only
/// [`VerifiedIdentity::verify_activation`] proves that they are. Only [`verify_identity`] creates
/// this value.
#[must_use = "an identity proves nothing before its activation"]
pub struct VerifiedIdentity {
    claim: Claim,
    endorsement_key: CertifiedKey,
    attestation_key: AttestationKey,
    device_key: Name,
}

/// Verifies what a client says about its TPM and keys.
///
/// `claim` holds the challenge and the key. It must come from the backend's own records, not from
/// the message that carries the identity.
///
/// The checks run in this order:
///
/// 1. The claim is about a TPM, and its challenge has not expired.
/// 2. The endorsement certificate leads to a root at `now` and has the fields of its profile.
/// 3. The endorsement key matches a standard template, is of the kind that the client says, and is
///    the certified key.
/// 4. The attestation key matches its template.
/// 5. The attestation key was created in the endorsement hierarchy, and its creation statement was
///    made for this claim.
/// 6. The device key matches its template and is the claimed key.
pub fn verify_identity(
    identity: &Identity,
    claim: Claim,
    roots: &TrustRoots,
    now: UnixTime,
) -> Result<VerifiedIdentity, AttestationError> {
    if claim.protection_class != ProtectionClass::HardwareTpm {
        return Err(AttestationError::ProtectionClass);
    }
    unexpired(&claim, now)?;
    let endorsement_key = endorsement_key::verify(identity, roots, now)?;
    let attestation_key = AttestationKey::parse(identity.attestation_key_public.as_bytes())?;
    verify_creation(identity, &attestation_key, &claim)?;
    let device_key = tpm_keys::device_key_name(identity.key_public.as_bytes(), &claim.public_key)?;
    Ok(VerifiedIdentity { claim, endorsement_key, attestation_key, device_key })
}

/// Verifies that the key was created in the endorsement hierarchy, by a statement for this claim.
fn verify_creation(
    identity: &Identity,
    key: &AttestationKey,
    claim: &Claim,
) -> Result<(), AttestationError> {
    let statement = SignedStatement {
        statement: TpmStatement::Creation,
        attest: &identity.attestation_key_creation_attest,
        signature: &identity.attestation_key_creation_signature,
    };
    // If the claim has no digest, no TPM can have made a statement for the claim.
    let digest =
        claim.identity_digest().map_err(|_| statement.refused(StatementError::ExtraData))?;
    let attest = statement.verify(key, &digest)?;
    let Attested::Creation { object_name, creation_hash } = attest.attested else {
        return Err(statement.refused(StatementError::Type));
    };
    if object_name != key.name {
        return Err(statement.refused(StatementError::Name));
    }
    let data = CreationData::parse(identity.attestation_key_creation_data.as_bytes())
        .map_err(|_| AttestationError::CreationDataMalformed)?;
    if data.hash(HashAlgorithm::Sha256) != creation_hash {
        return Err(AttestationError::CreationData);
    }
    if data.hierarchy() != Some(Handle::ENDORSEMENT) {
        return Err(AttestationError::CreationParent);
    }
    Ok(())
}

impl VerifiedIdentity {
    /// The challenge and the key.
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The endorsement key. It identifies the TPM permanently, so treat it like a serial number.
    pub const fn endorsement_key(&self) -> &EndorsementPublic {
        &self.endorsement_key.public
    }

    /// The Name of the attestation key. A credential is bound to this Name.
    pub const fn attestation_key_name(&self) -> &Name {
        &self.attestation_key.name
    }

    /// Wraps a secret so that only this TPM can unwrap it, and only while this attestation key is
    /// loaded.
    ///
    /// The secret must be random, and it must be used for this credential only. The caller keeps
    /// the secret's SHA-256 for [`verify_activation`](Self::verify_activation).
    pub fn make_credential(
        &self,
        secret: &[u8; SECRET_BYTES],
        random: &dyn RandomSource,
    ) -> Result<Credential, CredentialError> {
        make_credential(self.endorsement_key(), self.attestation_key_name(), secret, random)
    }

    /// Verifies that the TPM unwrapped the secret whose SHA-256 is `expected_secret`, and that the
    /// attestation key certified the device key for this claim and this secret.
    ///
    /// The checks run in this order:
    ///
    /// 1. The secret is the expected secret. The comparison takes constant time.
    /// 2. The challenge has not expired.
    /// 3. The statement's signature, signer and digest are right.
    /// 4. The statement certifies an object, and the object is the device key.
    pub fn verify_activation(
        &self,
        activation: &Activation,
        expected_secret: &Sha256Digest,
        now: UnixTime,
    ) -> Result<VerifiedKey, AttestationError> {
        let secret = activation.secret.sha256();
        verify_slices_are_equal(secret.as_bytes(), expected_secret.as_bytes())
            .map_err(|_| AttestationError::Secret)?;
        unexpired(&self.claim, now)?;
        let statement = SignedStatement {
            statement: TpmStatement::Certification,
            attest: &activation.attest,
            signature: &activation.signature,
        };
        let digest = self
            .claim
            .certification_digest(&secret)
            .map_err(|_| statement.refused(StatementError::ExtraData))?;
        let attest = statement.verify(&self.attestation_key, &digest)?;
        let Attested::Certify { name, .. } = attest.attested else {
            return Err(statement.refused(StatementError::Type));
        };
        if name != self.device_key {
            return Err(statement.refused(StatementError::Name));
        }
        let CertifiedKey { root, attributes, .. } = &self.endorsement_key;
        let tpm = TpmDescription::new(attributes.clone(), attest.firmware_version);
        Ok(VerifiedKey::new(self.claim.clone(), VerifiedKind::new(*root, tpm)))
    }
}

fn unexpired(claim: &Claim, now: UnixTime) -> Result<(), AttestationError> {
    let field = payload::Statement::Attestation.expiry_field();
    let expires_at = claim.challenge.challenge_expires_at;
    Ok(check_expiry(expires_at, now).map_err(|reason| FieldError { field, reason })?)
}

impl fmt::Debug for VerifiedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedIdentity").field("claim", &self.claim).finish_non_exhaustive()
    }
}
