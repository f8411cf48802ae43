//! The parsed statement that enrolls a device.

use super::{EnrollmentDraft, Statement, StatementPolicy, Target};
use crate::field::InField as _;
use crate::{
    AccountUserId, ChallengeId, ClientId, Field, FieldError, Nonce, Sha256Digest, UnixTime,
};

/// "Enroll this device." This statement answers a backend's challenge with the identity of the key.
/// The audience is constant and therefore not part of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrollment {
    /// The backend's single-use number.
    pub nonce: Nonce,
    /// The challenge that the statement answers.
    pub challenge_id: ChallengeId,
    /// The endpoint.
    pub target: Target,
    /// The account.
    pub account_user_id: AccountUserId,
    /// The client.
    pub client_id: ClientId,
    /// SHA-256 of the device's identity, see [`super::device_identity_digest`].
    pub device_identity_sha256: Sha256Digest,
    /// When the challenge expires.
    pub challenge_expires_at: UnixTime,
}

impl Enrollment {
    /// Parses the fields in the protocol's order of checks and reports the first fault.
    pub(super) fn parse(
        draft: &EnrollmentDraft,
        policy: &impl StatementPolicy,
    ) -> Result<Self, FieldError> {
        let enrollment = Self {
            nonce: draft.nonce.parse().in_field(Field::Nonce)?,
            challenge_id: draft.challenge_id.parse().in_field(Field::ChallengeId)?,
            target: Target::parse(
                &draft.target_origin,
                &draft.target_path,
                Statement::Enrollment,
                policy,
            )?,
            account_user_id: draft.account_user_id.parse().in_field(Field::AccountUserId)?,
            client_id: draft.client_id.parse().in_field(Field::ClientId)?,
            device_identity_sha256: draft
                .device_identity_sha256
                .parse()
                .in_field(Field::DeviceIdentitySha256)?,
            challenge_expires_at: draft.challenge_expires_at,
        };
        policy.expiry(draft.challenge_expires_at).in_field(Field::ChallengeExpiresAt)?;
        Ok(enrollment)
    }
}
