//! How far ahead a statement's expiry may be.

use crate::{Reason, UnixTime};

/// The longest time from now to a statement's expiry, in seconds.
pub const MAX_LIFETIME_SECONDS: i64 = 900;

/// Checks that `now` < `expires_at` ≤ `now` + [`MAX_LIFETIME_SECONDS`].
///
/// Errors are [`Reason::Expired`] and [`Reason::ExpiresTooLate`].
pub fn check_expiry(expires_at: UnixTime, now: UnixTime) -> Result<(), Reason> {
    if expires_at <= now {
        return Err(Reason::Expired);
    }
    if expires_at > now.saturating_add(MAX_LIFETIME_SECONDS) {
        return Err(Reason::ExpiresTooLate);
    }
    Ok(())
}
