//! Authorizations without an HMAC. They do not prove knowledge of a secret, and their entry in a
//! response proves nothing.

use super::{CONTINUE_SESSION, NONCE_SIZE};
use crate::handle::Handle;
use crate::marshal::{MarshalError, Reader, Writer};

/// An authorization whose HMAC would have an empty key. A TPM expects such an authorization without
/// an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unkeyed {
    /// The empty password, for a hierarchy, a key or an index whose authValue is empty (Part 1,
    /// section "Password Authorizations").
    EmptyPassword,
    /// A policy session that is neither salted nor bound and whose policy needs no authValue (Part
    /// 1, section "Policy Authorizations").
    Policy(Handle),
}

impl Unkeyed {
    /// Writes the `TPMS_AUTH_COMMAND` (Part 2, 10.13.2) without a nonce and without an HMAC.
    pub(crate) fn build(self, writer: &mut Writer) -> Result<(), MarshalError> {
        let (handle, attributes) = match self {
            Self::EmptyPassword => (Handle::PASSWORD, 0),
            // Keep the session open whether or not the command succeeds, so that the caller flushes
            // it like any other session.
            Self::Policy(handle) => (handle, CONTINUE_SESSION),
        };
        writer.put_u32(handle.value())?.put_sized(&[])?.put_u8(attributes)?.put_sized(&[])?;
        Ok(())
    }

    /// Reads the `TPMS_AUTH_RESPONSE` (Part 2, 10.13.3). It has no HMAC, and a nonce only for a
    /// session.
    pub(crate) fn accept(self, reader: &mut Reader<'_>) -> Result<(), MarshalError> {
        let nonce = reader.sized(NONCE_SIZE, "nonceTPM")?;
        let attributes = reader.u8("sessionAttributes")?;
        reader.sized(0, "hmac")?;
        // A TPM may answer a password with or without `continueSession`, which has no meaning
        // there.
        let (nonce_size, attributes_allowed) = match self {
            Self::EmptyPassword => (0, attributes & !CONTINUE_SESSION == 0),
            Self::Policy(_) => (NONCE_SIZE, attributes == CONTINUE_SESSION),
        };
        if nonce.len() != nonce_size {
            let value = u64::try_from(nonce.len()).unwrap_or(u64::MAX);
            return Err(MarshalError::Value { field: "nonceTPM size", value });
        }
        if !attributes_allowed {
            return Err(MarshalError::Value {
                field: "sessionAttributes",
                value: u64::from(attributes),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Unkeyed = Unkeyed::Policy(Handle::new(0x0300_0000));

    fn accept(unkeyed: Unkeyed, nonce: &[u8], attributes: u8, hmac: &[u8]) -> bool {
        let mut writer = Writer::new();
        writer.put_sized(nonce).unwrap().put_u8(attributes).unwrap().put_sized(hmac).unwrap();
        let mut reader = Reader::new(writer.as_bytes());
        unkeyed.accept(&mut reader).is_ok() && reader.finish().is_ok()
    }

    #[test]
    fn commands_carry_neither_nonce_nor_hmac() {
        let build = |unkeyed: Unkeyed| {
            let mut writer = Writer::new();
            unkeyed.build(&mut writer).unwrap();
            writer.as_bytes().to_vec()
        };
        assert_eq!(build(Unkeyed::EmptyPassword), [0x40, 0, 0, 9, 0, 0, 0, 0, 0]);
        assert_eq!(build(POLICY), [3, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn responses_of_another_format_are_refused() {
        assert!(accept(Unkeyed::EmptyPassword, &[], 0, &[]));
        assert!(accept(Unkeyed::EmptyPassword, &[], 1, &[]));
        assert!(!accept(Unkeyed::EmptyPassword, &[1; 32], 1, &[]));
        assert!(!accept(Unkeyed::EmptyPassword, &[], 0x41, &[]));
        assert!(!accept(Unkeyed::EmptyPassword, &[], 1, &[1; 32]));
        assert!(accept(POLICY, &[1; 32], 1, &[]));
        assert!(!accept(POLICY, &[], 1, &[]));
        assert!(!accept(POLICY, &[1; 31], 1, &[]));
        assert!(!accept(POLICY, &[1; 32], 0, &[]));
        assert!(!accept(POLICY, &[1; 32], 0x41, &[]));
        assert!(!accept(POLICY, &[1; 32], 1, &[1]));
    }

    proptest! {
        #[test]
        fn accepting_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Unkeyed::EmptyPassword.accept(&mut Reader::new(&bytes));
            let _ = POLICY.accept(&mut Reader::new(&bytes));
        }
    }
}
