use device_key_types::{FieldError, Reason, SignPayload, UnixTime, payload::UnserializableError};

use crate::{DeviceKeyBinding, RemoteControlPolicy, SigningInput};

/// Decides whether the bound key may sign this statement now, and if so gives the exact bytes.
///
/// Every check stands here, whatever was checked before: target and expiry against the policy, then
/// account and client against the binding that was read from the store. It is pure; whoever holds a
/// [`SigningInput`] knows that all of it held at `now`.
pub fn authorize(
    policy: &RemoteControlPolicy,
    now: UnixTime,
    binding: &DeviceKeyBinding,
    payload: &SignPayload,
) -> Result<SigningInput, AuthorizeError> {
    payload.admitted(&policy.at(now))?;
    let bound = &binding.binding;
    if payload.account_user_id() != &bound.account_user_id
        || payload.client_id() != &bound.client_id
    {
        return Err(AuthorizeError::BindingMismatch);
    }
    Ok(SigningInput::from_authorized(binding.reference(), payload.signed_bytes()?))
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
    /// The statement could not be written.
    #[error(transparent)]
    Unserializable(#[from] UnserializableError),
}
