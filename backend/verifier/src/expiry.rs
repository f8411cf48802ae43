//! The check of an expiry, which proofs and attestations share.

use device_key_types::{Field, FieldError, Reason, UnixTime};

/// The longest time from now to an expiry, in seconds. Devices sign no statement that lasts longer.
pub const MAX_LIFETIME_SECONDS: i64 = 900;

/// Checks `now` < expiry ≤ `now` + [`MAX_LIFETIME_SECONDS`].
pub(crate) fn check(field: Field, expires_at: UnixTime, now: UnixTime) -> Result<(), FieldError> {
    let reason = if expires_at <= now {
        Reason::Expired
    } else if expires_at > now.saturating_add(MAX_LIFETIME_SECONDS) {
        Reason::ExpiresTooLate
    } else {
        return Ok(());
    };
    Err(FieldError { field, reason })
}
