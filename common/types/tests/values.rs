//! What values accept at their edges, and what they show.

use std::error::Error;
use std::fmt;

use device_key_types::{
    DeviceKeyId, ErrorChain, Field, FieldError, MAX_LIFETIME_SECONDS, Reason, Sha256Digest,
    UnixTime, check_expiry,
};

const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

#[test]
fn an_expiry_is_after_now_and_at_most_the_longest_lifetime_ahead() {
    let check = |ahead| check_expiry(NOW.saturating_add(ahead), NOW);
    assert_eq!(check(-1), Err(Reason::Expired));
    assert_eq!(check(0), Err(Reason::Expired));
    assert_eq!(check(1), Ok(()));
    assert_eq!(check(MAX_LIFETIME_SECONDS), Ok(()));
    assert_eq!(check(MAX_LIFETIME_SECONDS + 1), Err(Reason::ExpiresTooLate));
    assert_eq!(check(i64::MAX), Err(Reason::ExpiresTooLate));
}

#[derive(Debug)]
struct Layer(&'static str, Option<Box<Layer>>);

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Layer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let inner: &(dyn Error + 'static) = self.1.as_deref()?;
        Some(inner)
    }
}

#[test]
fn an_error_is_shown_with_all_its_causes() {
    let cause = Layer("middle", Some(Box::new(Layer("inner", None))));
    let error = Layer("outer", Some(Box::new(cause)));
    assert_eq!(ErrorChain(&error).to_string(), "outer: middle: inner");
}

#[test]
fn a_refused_field_is_named_as_on_the_wire() {
    let error = FieldError { field: Field::KeyId, reason: Reason::InvalidKeyId };
    assert_eq!(error.to_string(), format!("keyId: {}", Reason::InvalidKeyId));
}

#[test]
fn an_id_is_shown_and_a_digest_is_hidden() {
    let key_id = DeviceKeyId::from_random_bytes([0; 32]);
    let text = format!("dk_{}", "A".repeat(43));
    assert_eq!(format!("{key_id} {key_id:?}"), format!("{text} DeviceKeyId({text})"));
    assert_eq!(text.parse::<DeviceKeyId>(), Ok(key_id));
    assert_eq!(format!("{:?}", Sha256Digest::of(b"secret")), "Sha256Digest(…)");
}
