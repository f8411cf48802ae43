//! Handles: 32-bit names for what is in the TPM now (`TPM_HANDLE`, Part 2, section 7).

use std::fmt;

/// A TPM handle. Valid only on the connection or in the TPM that gave it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(u32);

/// The kinds of handle this crate meets; the kind is the top byte (`TPM_HT`, Part 2, 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandleKind {
    /// `TPM_HT_NV_INDEX`: 0x01, data kept in the TPM's memory.
    NvIndex,
    /// `TPM_HT_HMAC_SESSION`, also asked for as `TPM_HT_LOADED_SESSION`: 0x02.
    HmacSession,
    /// `TPM_HT_POLICY_SESSION`, also asked for as `TPM_HT_SAVED_SESSION`: 0x03.
    PolicySession,
    /// `TPM_HT_PERMANENT`: 0x40, hierarchies and other fixed resources.
    Permanent,
    /// `TPM_HT_TRANSIENT`: 0x80, loaded objects.
    Transient,
    /// `TPM_HT_PERSISTENT`: 0x81, objects kept in the TPM's memory over a reboot.
    Persistent,
    /// Any other top byte (PCR, …).
    Other,
}

impl Handle {
    /// `TPM_RH_OWNER` (Part 2, 7.4): the owner hierarchy.
    pub const OWNER: Self = Self(0x4000_0001);
    /// `TPM_RH_NULL` (Part 2, 7.4): no entity.
    pub const NULL: Self = Self(0x4000_0007);
    /// `TPM_RS_PW` (Part 2, 7.4): a password instead of a session.
    pub(crate) const PASSWORD: Self = Self(0x4000_0009);
    /// `TPM_RH_ENDORSEMENT` (Part 2, 7.4): the endorsement hierarchy.
    pub const ENDORSEMENT: Self = Self(0x4000_000B);
    /// Where the storage root key is kept: TCG "TPM v2.0 Provisioning Guidance", 7.5.1 and TCG
    /// "Registry of Reserved TPM 2.0 Handles and Localities", 2.3.1.
    pub const STORAGE_ROOT_KEY: Self = Self(0x8100_0001);

    /// Takes a handle as it is on the wire.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The handle as it is on the wire.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// What the top byte says.
    pub const fn kind(self) -> HandleKind {
        match self.0 >> 24 {
            0x01 => HandleKind::NvIndex,
            0x02 => HandleKind::HmacSession,
            0x03 => HandleKind::PolicySession,
            0x40 => HandleKind::Permanent,
            0x80 => HandleKind::Transient,
            0x81 => HandleKind::Persistent,
            _ => HandleKind::Other,
        }
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
    fn the_top_byte_is_the_kind() {
        assert_eq!(Handle::STORAGE_ROOT_KEY.kind(), HandleKind::Persistent);
        assert_eq!(Handle::new(0x80ff_ffff).kind(), HandleKind::Transient);
        assert_eq!(Handle::new(0x0200_0000).kind(), HandleKind::HmacSession);
        assert_eq!(Handle::OWNER.kind(), HandleKind::Permanent);
        assert_eq!(Handle::new(0x0100_0000).kind(), HandleKind::NvIndex);
        assert_eq!(Handle::new(0x0000_0000).kind(), HandleKind::Other);
        assert_eq!(Handle::OWNER.to_string(), "0x40000001");
    }
}
