//! The decisions that gate signing and attestation, as pure functions.

use device_key_types::attestation::{Challenge, Claim};
use device_key_types::payload::UnserializableError;
use device_key_types::{AccountUserId, ClientId, FieldError, Reason, SignPayload, UnixTime};

use crate::{AttestationInput, DeviceKeyBinding, RemoteControlPolicy, SigningInput};

/// Decides whether the bound key may sign this statement now, and returns the exact bytes to sign.
///
/// This function makes every check itself, even if the caller made some before: target and expiry
/// against the policy, then account and client against the binding that was read from the store. It
/// is pure, so a [`SigningInput`] proves that every check passed at `now`.
pub fn authorize(
    policy: &RemoteControlPolicy,
    now: UnixTime,
    binding: &DeviceKeyBinding,
    payload: &SignPayload,
) -> Result<SigningInput, AuthorizeError> {
    payload.allowed_by(&policy.at(now))?;
    bound_to(binding, payload.account_user_id(), payload.client_id())?;
    Ok(SigningInput::from_authorized(binding.reference(), payload.signed_bytes()?))
}

/// Decides whether the bound key may be attested for this challenge now.
///
/// The checks and their order are those of [`authorize`]. An [`AttestationInput`] proves that every
/// check passed at `now`.
pub fn authorize_attestation(
    policy: &RemoteControlPolicy,
    now: UnixTime,
    binding: &DeviceKeyBinding,
    challenge: &Challenge,
) -> Result<AttestationInput, AuthorizeError> {
    challenge.allowed_by(&policy.at(now))?;
    bound_to(binding, &challenge.account_user_id, &challenge.client_id)?;
    let claim = Claim {
        challenge: challenge.clone(),
        key_id: binding.key_id,
        public_key: binding.public_key.clone(),
        protection_class: binding.protection_class,
    };
    Ok(AttestationInput::from_authorized(binding.reference(), claim))
}

fn bound_to(
    binding: &DeviceKeyBinding,
    account_user_id: &AccountUserId,
    client_id: &ClientId,
) -> Result<(), AuthorizeError> {
    let bound = &binding.binding;
    if account_user_id == &bound.account_user_id && client_id == &bound.client_id {
        Ok(())
    } else {
        Err(AuthorizeError::BindingMismatch)
    }
}

/// Why a statement may not be signed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// The policy refuses a field.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The key is bound to another account or client.
    #[error("{}", Reason::BindingMismatch.message())]
    BindingMismatch,
    /// The statement could not be serialised.
    #[error(transparent)]
    Unserializable(#[from] UnserializableError),
}
