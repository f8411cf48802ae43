//! What values accept at their edges, and what they show.

use std::error::Error;
use std::fmt;

use device_key_types::{
    DeviceKeyId, ErrorChain, Field, FieldError, MAX_LIFETIME_SECONDS, Nonce, Origin,
    ProtectionClass, ProtectionPolicy, Reason, Sha256Digest, Signature, StorageParentName, TpmKind,
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

#[test]
fn a_policy_accepts_hardware_and_the_other_class_only_if_it_says_so() {
    use ProtectionClass::{HardwareSecureEnclave, HardwareTpm, OsProtectedNonextractable};
    for (class, name, is_hardware) in [
        (HardwareTpm, "hardware_tpm", true),
        (HardwareSecureEnclave, "hardware_secure_enclave", true),
        (OsProtectedNonextractable, "os_protected_nonextractable", false),
    ] {
        assert_eq!((class.is_hardware(), class.to_string()), (is_hardware, name.to_owned()));
        assert_eq!(name.parse(), Ok(class));
        assert_eq!(ProtectionPolicy::HardwareOnly.accepts(class), is_hardware);
        assert!(ProtectionPolicy::AllowOsProtectedNonextractable.accepts(class));
    }
    assert!("hardware".parse::<ProtectionClass>().is_err());
}

#[test]
fn kinds_of_tpm_have_names_that_are_read_again() {
    for (kind, name) in [
        (TpmKind::Physical, "physical"),
        (TpmKind::Virtual, "virtual"),
        (TpmKind::Simulated, "simulated"),
    ] {
        assert_eq!((kind.as_str(), kind.to_string()), (name, name.to_owned()));
        assert_eq!(name.parse(), Ok(kind));
    }
    assert!("tpm".parse::<TpmKind>().is_err());
}

#[test]
fn bytes_are_kept_as_they_came() {
    assert_eq!(StorageParentName::from_bytes(&[1, 2, 3]).as_bytes(), [1, 2, 3]);
    let nonce: Nonce = "A".repeat(43).parse().unwrap_or_else(|reason| panic!("{reason}"));
    assert_eq!(nonce.as_bytes(), [0; 32]);
    assert!(!format!("{nonce:?}").contains("AAA"), "a nonce is hidden");
    assert!(!format!("{nonce:?}").is_empty());
}

#[test]
fn an_origin_has_the_port_that_it_names() {
    let port = |text: &str| text.parse::<Origin>().map(|origin| origin.port());
    assert_eq!(port("https://example.com:8443"), Ok(Some(8443)));
    assert_eq!(port("https://example.com"), Ok(None));
}

#[test]
fn a_signature_has_one_encoding() {
    let mut one = [0; 32];
    one[31] = 1;
    let der = [0x30, 6, 2, 1, 1, 2, 1, 1];
    let signature = Signature::from_scalars(one, one);
    assert_eq!(signature.map(|signature| signature.to_der()), Ok(der.to_vec()));
    assert_eq!(Signature::from_der(&der).map(|signature| signature.to_der()), Ok(der.to_vec()));
}
