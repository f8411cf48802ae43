//! Object attributes as a typed bit set (`TPMA_OBJECT`, Part 2, 8.3).

use std::fmt;
use std::ops::BitOr;

use crate::marshal::MarshalError;

/// The attributes of an object: what it may do, and whether it may leave its TPM or its parent. A
/// value cannot hold reserved bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ObjectAttributes(u32);

impl ObjectAttributes {
    /// `fixedTPM`: the object cannot be duplicated to another TPM.
    pub const FIXED_TPM: Self = Self(1 << 1);
    /// `stClear`: the object does not survive a `Startup(CLEAR)`.
    pub const ST_CLEAR: Self = Self(1 << 2);
    /// `fixedParent`: the object cannot get another parent.
    pub const FIXED_PARENT: Self = Self(1 << 4);
    /// `sensitiveDataOrigin`: the TPM generated the private part.
    pub const SENSITIVE_DATA_ORIGIN: Self = Self(1 << 5);
    /// `userWithAuth`: the object's authValue suffices to use it.
    pub const USER_WITH_AUTH: Self = Self(1 << 6);
    /// `adminWithPolicy`: administration of the object needs its policy.
    pub const ADMIN_WITH_POLICY: Self = Self(1 << 7);
    /// `noDA`: dictionary-attack protection does not apply.
    pub const NO_DA: Self = Self(1 << 10);
    /// `encryptedDuplication`: duplication must be encrypted.
    pub const ENCRYPTED_DUPLICATION: Self = Self(1 << 11);
    /// `restricted`: the key works only on data that the TPM itself made.
    pub const RESTRICTED: Self = Self(1 << 16);
    /// `decrypt`: the key may decrypt. With `restricted`, it is a storage parent.
    pub const DECRYPT: Self = Self(1 << 17);
    /// `sign`: the key may sign (or, if it is symmetric, encrypt).
    pub const SIGN: Self = Self(1 << 18);
    /// `x509sign`: the key may sign only certificates.
    pub const X509_SIGN: Self = Self(1 << 19);

    const NAMES: [(Self, &'static str); 12] = [
        (Self::FIXED_TPM, "fixedTPM"),
        (Self::ST_CLEAR, "stClear"),
        (Self::FIXED_PARENT, "fixedParent"),
        (Self::SENSITIVE_DATA_ORIGIN, "sensitiveDataOrigin"),
        (Self::USER_WITH_AUTH, "userWithAuth"),
        (Self::ADMIN_WITH_POLICY, "adminWithPolicy"),
        (Self::NO_DA, "noDA"),
        (Self::ENCRYPTED_DUPLICATION, "encryptedDuplication"),
        (Self::RESTRICTED, "restricted"),
        (Self::DECRYPT, "decrypt"),
        (Self::SIGN, "sign"),
        (Self::X509_SIGN, "x509sign"),
    ];

    /// The union of both sets. This function can be used in constants.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The 32 bits of the `TPMA_OBJECT`.
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl BitOr for ObjectAttributes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl TryFrom<u32> for ObjectAttributes {
    type Error = MarshalError;

    fn try_from(bits: u32) -> Result<Self, MarshalError> {
        let known = Self::NAMES.iter().fold(Self::default(), |known, (one, _)| known.with(*one));
        if bits & !known.0 == 0 {
            Ok(Self(bits))
        } else {
            Err(MarshalError::Value { field: "objectAttributes", value: u64::from(bits) })
        }
    }
}

impl fmt::Display for ObjectAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (attribute, name) in Self::NAMES {
            if self.contains(attribute) {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectAttributes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_bits_are_refused() {
        for bit in [0, 3, 8, 9, 12, 15, 20, 31] {
            assert!(ObjectAttributes::try_from(1 << bit).is_err(), "bit {bit}");
        }
        assert_eq!(ObjectAttributes::try_from(1 << 18), Ok(ObjectAttributes::SIGN));
    }

    #[test]
    fn attributes_display_the_names_of_the_specification() {
        let set = ObjectAttributes::FIXED_TPM | ObjectAttributes::SIGN;
        assert_eq!(set.to_string(), "fixedTPM|sign");
        assert!(!set.contains(ObjectAttributes::SIGN | ObjectAttributes::DECRYPT));
    }
}
