//! Handles: 32-bit numbers of the objects, sessions and hierarchies in a TPM (`TPM_HANDLE`, Part 2,
//! section 7).

use std::fmt;

/// A TPM handle. It is valid only for the connection or the TPM that returned it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(u32);

impl Handle {
    /// `TPM_RH_OWNER` (Part 2, 7.4): the owner hierarchy.
    pub const OWNER: Self = Self(0x4000_0001);
    /// `TPM_RH_NULL` (Part 2, 7.4): the handle that stands for no object.
    pub const NULL: Self = Self(0x4000_0007);
    /// `TPM_RS_PW` (Part 2, 7.4): authorizes with a password instead of a session.
    pub(crate) const PASSWORD: Self = Self(0x4000_0009);
    /// `TPM_RH_ENDORSEMENT` (Part 2, 7.4): the endorsement hierarchy.
    pub const ENDORSEMENT: Self = Self(0x4000_000B);
    /// The persistent handle of the storage root key: TCG "TPM v2.0 Provisioning Guidance", 7.5.1
    /// and TCG "Registry of Reserved TPM 2.0 Handles and Localities", 2.3.1.
    pub const STORAGE_ROOT_KEY: Self = Self(0x8100_0001);

    /// Creates a handle from its 32-bit value.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The 32-bit value.
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_displays_as_eight_hexadecimal_digits() {
        assert_eq!(Handle::OWNER.to_string(), "0x40000001");
    }
}
