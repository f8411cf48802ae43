use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use device_key_tpm2::{Attested, CreationData, EndorsementPublic, Handle, HashAlgorithm, Name};
use device_key_types::{
    FieldError, ProtectionClass, Sha256Digest, UnixTime,
    attestation::{Activation, Claim, Credential, Identity},
    check_expiry, payload,
};

use super::{
    AttestationRefusal, CredentialError, RandomSource, SECRET_BYTES, Statement, StatementFault,
    TpmDescription, TrustRoots, VerifiedKey, VerifiedKind,
    endorsement_key::{self, CertifiedKey},
    make_credential,
    statement::SignedStatement,
    tpm_keys::{self, AttestationKey},
};

/// A TPM that a root vouches for, with the keys that are said to be in it. That they are is known
/// after [`VerifiedIdentity::verify_activation`]. Only [`verify_identity`] makes it.
#[must_use = "an identity proves nothing before its activation"]
pub struct VerifiedIdentity {
    claim: Claim,
    endorsement_key: CertifiedKey,
    attestation_key: AttestationKey,
    device_key: Name,
}

/// Verifies what a client says about its TPM and keys, for the challenge and key of `claim`, which
/// is the backend's own record and nothing that came with the identity.
///
/// The checks, in this order: the claim is about a TPM, and its challenge is unexpired; the
/// endorsement certificate leads to a root at `now` and has the fields of its profile; the endorsement
/// key is of a standard template, of the kind that is said, and the certified one; the attestation
/// key is of its template; it was made in the endorsement hierarchy and says so for this claim; the
/// device key is of its template, and the claimed one.
pub fn verify_identity(
    identity: &Identity,
    claim: Claim,
    roots: &TrustRoots,
    now: UnixTime,
) -> Result<VerifiedIdentity, AttestationRefusal> {
    if claim.protection_class != ProtectionClass::HardwareTpm {
        return Err(AttestationRefusal::ProtectionClass);
    }
    unexpired(&claim, now)?;
    let endorsement_key = endorsement_key::verify(identity, roots, now)?;
    let attestation_key = AttestationKey::parse(identity.attestation_key_public.as_bytes())?;
    made_in_the_endorsement_hierarchy(identity, &attestation_key, &claim)?;
    let device_key = tpm_keys::device_key_name(identity.key_public.as_bytes(), &claim.public_key)?;
    Ok(VerifiedIdentity { claim, endorsement_key, attestation_key, device_key })
}

fn made_in_the_endorsement_hierarchy(
    identity: &Identity,
    key: &AttestationKey,
    claim: &Claim,
) -> Result<(), AttestationRefusal> {
    let statement = SignedStatement {
        statement: Statement::Creation,
        attest: &identity.attestation_key_creation_attest,
        signature: &identity.attestation_key_creation_signature,
    };
    // A claim that has no digest is one that no statement was made for.
    let digest =
        claim.identity_digest().map_err(|_| statement.refused(StatementFault::ExtraData))?;
    let attest = statement.verify(key, &digest)?;
    let Attested::Creation { object_name, creation_hash } = attest.attested else {
        return Err(statement.refused(StatementFault::Type));
    };
    if object_name != key.name {
        return Err(statement.refused(StatementFault::Name));
    }
    let data = CreationData::parse(identity.attestation_key_creation_data.as_bytes())
        .map_err(|_| AttestationRefusal::CreationDataMalformed)?;
    if data.hash(HashAlgorithm::Sha256) != creation_hash {
        return Err(AttestationRefusal::CreationData);
    }
    if data.hierarchy() != Some(Handle::ENDORSEMENT) {
        return Err(AttestationRefusal::CreationParent);
    }
    Ok(())
}

impl VerifiedIdentity {
    /// The challenge and the key.
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The endorsement key. It identifies the TPM for good: treat it like a serial number.
    pub const fn endorsement_key(&self) -> &EndorsementPublic {
        &self.endorsement_key.public
    }

    /// The attestation key's Name, to which a credential is bound.
    pub const fn attestation_key_name(&self) -> &Name {
        &self.attestation_key.name
    }

    /// Wraps a secret that only this TPM gives up, and only with this attestation key in it.
    ///
    /// The secret must be random, made for this one credential, and never used again; keep its
    /// SHA-256.
    pub fn make_credential(
        &self,
        secret: &[u8; SECRET_BYTES],
        random: &mut dyn RandomSource,
    ) -> Result<Credential, CredentialError> {
        make_credential(self.endorsement_key(), self.attestation_key_name(), secret, random)
    }

    /// Verifies that the TPM gave up the secret whose SHA-256 is `expected_secret`, and that its
    /// attestation key certified the device key for this claim and secret.
    ///
    /// The checks, in this order: the secret, in constant time; the challenge is unexpired; signature,
    /// signer and digest of the statement; it certifies an object, which is the device key.
    pub fn verify_activation(
        &self,
        activation: &Activation,
        expected_secret: &Sha256Digest,
        now: UnixTime,
    ) -> Result<VerifiedKey, AttestationRefusal> {
        let secret = activation.secret.sha256();
        verify_slices_are_equal(secret.as_bytes(), expected_secret.as_bytes())
            .map_err(|_| AttestationRefusal::Secret)?;
        unexpired(&self.claim, now)?;
        let statement = SignedStatement {
            statement: Statement::Certification,
            attest: &activation.attest,
            signature: &activation.signature,
        };
        let digest = self
            .claim
            .certification_digest(&secret)
            .map_err(|_| statement.refused(StatementFault::ExtraData))?;
        let attest = statement.verify(&self.attestation_key, &digest)?;
        let Attested::Certify { name, .. } = attest.attested else {
            return Err(statement.refused(StatementFault::Type));
        };
        if name != self.device_key {
            return Err(statement.refused(StatementFault::Name));
        }
        let CertifiedKey { root, attributes, .. } = &self.endorsement_key;
        let tpm = TpmDescription::new(attributes.clone(), attest.firmware_version);
        Ok(VerifiedKey::new(self.claim.clone(), VerifiedKind::new(*root, tpm)))
    }
}

fn unexpired(claim: &Claim, now: UnixTime) -> Result<(), AttestationRefusal> {
    let field = payload::Statement::Attestation.expiry_field();
    let expires_at = claim.challenge.challenge_expires_at;
    Ok(check_expiry(expires_at, now).map_err(|reason| FieldError { field, reason })?)
}

impl fmt::Debug for VerifiedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedIdentity").field("claim", &self.claim).finish_non_exhaustive()
    }
}
