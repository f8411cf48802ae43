//! How a device is enrolled: the challenge, the attestation, and the verification of the answer.

use device_key_types::attestation::{self, Activation, Claim, Credential, Identity};
use device_key_types::payload::{self, Statement, device_identity_digest};
use device_key_types::{
    AccountUserId, ChallengeId, ClientId, DeviceKeyId, ProtectionClass, Sha256Digest,
};
use device_key_verifier::attestation::verify_identity;
use device_key_verifier::{Proof, ProofKey, verify_enrollment};
use tracing::info;
use zeroize::Zeroizing;

use super::RelyingParty;
use crate::error::RelyingPartyError;
use crate::registry::challenge::{BegunAttestation, EnrollmentChallenge, OpenEnrollment};
use crate::registry::device::{Device, DeviceKind};

/// What a client needs to enroll a device.
#[derive(Clone, Debug)]
pub struct EnrollmentInvitation {
    /// The values that the enrollment statement must repeat.
    pub challenge: EnrollmentChallenge,
    /// The endpoint that the enrollment statement must name.
    pub target: payload::Target,
    /// The challenge for the TPM, if the policy asks for an attestation.
    pub attestation: Option<attestation::Challenge>,
}

/// The first half of an attestation, as a client sends it.
#[derive(Debug)]
pub struct IdentityAnswer {
    /// The id of the challenge that the client answers.
    pub challenge_id: ChallengeId,
    /// The id of the key to enroll.
    pub key_id: DeviceKeyId,
    /// The public key to enroll.
    pub key: ProofKey,
    /// The protection class that the client claims for the key.
    pub protection_class: ProtectionClass,
    /// The identity of the TPM that the client claims for the key.
    pub identity: Identity,
}

/// A client's answer to an enrollment challenge.
#[derive(Debug)]
pub struct EnrollmentAnswer {
    /// The id of the challenge that the client answers.
    pub challenge_id: ChallengeId,
    /// The id of the key to enroll.
    pub key_id: DeviceKeyId,
    /// The public key to enroll.
    pub key: ProofKey,
    /// The protection class that the client claims for the key.
    pub protection_class: ProtectionClass,
    /// The bytes that the key signed.
    pub signed_bytes: Vec<u8>,
    /// The signature, in DER.
    pub signature_der: Vec<u8>,
    /// The second half of an attestation, if the client has begun an attestation.
    pub activation: Option<Activation>,
}

impl RelyingParty {
    /// Issues a challenge for the enrollment of a device of this client.
    pub async fn invite_enrollment(
        &self,
        account: &AccountUserId,
        client_id: ClientId,
    ) -> Result<EnrollmentInvitation, RelyingPartyError> {
        let limits = self.limits();
        let now = self.parts.clock.now();
        let challenge = EnrollmentChallenge {
            challenge_id: self.random_id("rch_")?,
            nonce: self.nonce()?,
            account_user_id: account.clone(),
            client_id,
            expires_at: now.saturating_add(limits.challenge_seconds.into()),
        };
        let at_most = limits.enrollments_per_account;
        self.registry().put_enrollment_challenge(&challenge, at_most, now).await?;
        Ok(EnrollmentInvitation {
            target: self.parts.backend.target(Statement::Enrollment).clone(),
            attestation: self
                .parts
                .attestation
                .requests_attestation()
                .then(|| self.attestation_challenge(&challenge)),
            challenge,
        })
    }

    /// Verifies the first half of an attestation. Returns a credential that only the claimed TPM
    /// can open.
    ///
    /// If the answer is refused, the challenge stays as it was.
    pub async fn begin_attestation(
        &self,
        account: &AccountUserId,
        answer: IdentityAnswer,
    ) -> Result<Credential, RelyingPartyError> {
        if !self.parts.attestation.requests_attestation() {
            return Err(RelyingPartyError::AttestationNotAsked);
        }
        let IdentityAnswer { challenge_id, key_id, key, protection_class, identity } = answer;
        let now = self.parts.clock.now();
        let open = self.registry().enrollment_challenge(&challenge_id, account, now).await?;
        let OpenEnrollment { challenge, attestation } =
            open.ok_or(RelyingPartyError::ChallengeUnknown)?;
        if attestation.is_some() {
            return Err(RelyingPartyError::AttestationBegun);
        }
        let claim = Claim {
            challenge: self.attestation_challenge(&challenge),
            key_id,
            public_key: key.public_key().clone(),
            protection_class,
        };
        let verified = verify_identity(&identity, claim, self.parts.attestation.roots(), now)?;
        let secret = Zeroizing::new(self.random()?);
        let credential = verified.make_credential(&secret, &*self.parts.random)?;
        let begun = BegunAttestation {
            key_id,
            public_key: key.public_key().clone(),
            credential_secret_sha256: Sha256Digest::of(&*secret),
            identity,
        };
        if self.registry().begin_attestation(&challenge_id, account, &begun, now).await? {
            Ok(credential)
        } else {
            // Since the challenge was read, it was answered, expired, or got another attestation.
            Err(RelyingPartyError::ChallengeUnknown)
        }
    }

    /// Verifies an answer and enrolls the device.
    ///
    /// The challenge is closed before the answer is verified, so each challenge is tried only once.
    pub async fn enroll(
        &self,
        account: &AccountUserId,
        answer: &EnrollmentAnswer,
    ) -> Result<Device, RelyingPartyError> {
        let now = self.parts.clock.now();
        let open =
            self.registry().take_enrollment_challenge(&answer.challenge_id, account, now).await?;
        let open = open.ok_or(RelyingPartyError::ChallengeUnknown)?;
        self.verify_proof(answer, &open.challenge)?;
        let verified_kind = self.verify_attestation(answer, &open)?;
        let device = Device {
            key_id: answer.key_id,
            account_user_id: open.challenge.account_user_id,
            client_id: open.challenge.client_id,
            public_key: answer.key.public_key().clone(),
            protection_class: answer.protection_class,
            verified_kind,
            enrolled_at: now,
            revoked_at: None,
        };
        self.registry().enroll_device(&device, self.limits().devices_per_account).await?;
        info!(key_id = %device.key_id, kind = %verified_kind, "a device was enrolled");
        Ok(device)
    }

    fn verify_proof(
        &self,
        answer: &EnrollmentAnswer,
        challenge: &EnrollmentChallenge,
    ) -> Result<(), RelyingPartyError> {
        let EnrollmentAnswer { key_id, key, protection_class, .. } = answer;
        let identity = device_identity_digest(key_id, *protection_class, key.public_key());
        let expected = payload::Enrollment {
            nonce: challenge.nonce.clone(),
            challenge_id: challenge.challenge_id.clone(),
            target: self.parts.backend.target(Statement::Enrollment).clone(),
            account_user_id: challenge.account_user_id.clone(),
            client_id: challenge.client_id.clone(),
            device_identity_sha256: identity.map_err(RelyingPartyError::internal)?,
            challenge_expires_at: challenge.expires_at,
        };
        let proof = Proof {
            signed_bytes: &answer.signed_bytes,
            signature_der: &answer.signature_der,
            public_key: key,
        };
        let _verified = verify_enrollment(&proof, &expected, self.parts.clock.now())?;
        Ok(())
    }

    /// Finds out what protects the key. A device is unattested only if the client began no
    /// attestation.
    fn verify_attestation(
        &self,
        answer: &EnrollmentAnswer,
        open: &OpenEnrollment,
    ) -> Result<DeviceKind, RelyingPartyError> {
        let policy = &self.parts.attestation;
        let (begun, activation) = match (&open.attestation, &answer.activation) {
            (Some(begun), Some(activation)) => (begun, activation),
            (Some(_), None) => return Err(RelyingPartyError::AttestationUnfinished),
            (None, Some(_)) => return Err(RelyingPartyError::AttestationNotBegun),
            (None, None) if policy.accepts(DeviceKind::Unattested) => {
                return Ok(DeviceKind::Unattested);
            }
            (None, None) => return Err(RelyingPartyError::AttestationRequired),
        };
        if begun.key_id != answer.key_id || begun.public_key != *answer.key.public_key() {
            return Err(RelyingPartyError::AttestationOfAnotherKey);
        }
        let now = self.parts.clock.now();
        let claim = Claim {
            challenge: self.attestation_challenge(&open.challenge),
            key_id: answer.key_id,
            public_key: begun.public_key.clone(),
            protection_class: answer.protection_class,
        };
        let identity = verify_identity(&begun.identity, claim, policy.roots(), now)?;
        let verified =
            identity.verify_activation(activation, &begun.credential_secret_sha256, now)?;
        let kind = DeviceKind::from(verified.kind());
        if policy.accepts(kind) { Ok(kind) } else { Err(RelyingPartyError::KindNotAccepted(kind)) }
    }

    fn attestation_challenge(&self, challenge: &EnrollmentChallenge) -> attestation::Challenge {
        attestation::Challenge {
            nonce: challenge.nonce.clone(),
            challenge_id: challenge.challenge_id.clone(),
            target: self.parts.backend.target(Statement::Attestation).clone(),
            account_user_id: challenge.account_user_id.clone(),
            client_id: challenge.client_id.clone(),
            challenge_expires_at: challenge.expires_at,
        }
    }
}
