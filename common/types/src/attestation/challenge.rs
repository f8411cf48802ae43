//! The parsed challenge of a backend for an attestation.

use super::Draft;
use crate::field::InField as _;
use crate::payload::{Statement, StatementPolicy, Target};
use crate::{AccountUserId, ChallengeId, ClientId, Field, FieldError, Nonce, UnixTime};

/// "Show that the key which answers this enrollment lives in a TPM."
///
/// Nonce, id and expiry are those of the enrollment challenge. The audience is constant and
/// therefore not part of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The backend's single-use number.
    pub nonce: Nonce,
    /// The id of the enrollment challenge.
    pub challenge_id: ChallengeId,
    /// The endpoint.
    pub target: Target,
    /// The account.
    pub account_user_id: AccountUserId,
    /// The client.
    pub client_id: ClientId,
    /// When the challenge expires.
    pub challenge_expires_at: UnixTime,
}

impl Challenge {
    /// Parses the fields in the protocol's order of checks and reports the first fault.
    pub(super) fn parse(draft: &Draft, policy: &impl StatementPolicy) -> Result<Self, FieldError> {
        let challenge = Self {
            nonce: draft.nonce.parse().in_field(Field::Nonce)?,
            challenge_id: draft.challenge_id.parse().in_field(Field::ChallengeId)?,
            target: Target::parse(
                &draft.target_origin,
                &draft.target_path,
                Statement::Attestation,
                policy,
            )?,
            account_user_id: draft.account_user_id.parse().in_field(Field::AccountUserId)?,
            client_id: draft.client_id.parse().in_field(Field::ClientId)?,
            challenge_expires_at: draft.challenge_expires_at,
        };
        challenge.unexpired(policy)?;
        Ok(challenge)
    }

    /// Checks target and expiry against the policy. Time may have passed since the parse, and a
    /// challenge that was built from values was never checked.
    pub fn allowed_by(&self, policy: &impl StatementPolicy) -> Result<(), FieldError> {
        self.target.allowed_by(Statement::Attestation, policy)?;
        self.unexpired(policy)
    }

    /// Checks only the expiry against the policy.
    pub fn unexpired(&self, policy: &impl StatementPolicy) -> Result<(), FieldError> {
        let field = Statement::Attestation.expiry_field();
        policy.expiry(self.challenge_expires_at).in_field(field)
    }
}
