//! Constants of the TCG "TPM 2.0 Library". Each names the table that it comes from.

/// `TPM_ST_NO_SESSIONS` (Part 2, 6.9).
pub(crate) const TAG_NO_SESSIONS: u16 = 0x8001;
/// `TPM_ST_SESSIONS` (Part 2, 6.9).
pub(crate) const TAG_SESSIONS: u16 = 0x8002;
/// `TPM_ST_ATTEST_CERTIFY` (Part 2, 6.9).
pub(crate) const TAG_ATTEST_CERTIFY: u16 = 0x8017;
/// `TPM_ST_ATTEST_CREATION` (Part 2, 6.9).
pub(crate) const TAG_ATTEST_CREATION: u16 = 0x801A;
/// `TPM_ST_CREATION` (Part 2, 6.9).
pub(crate) const TAG_CREATION: u16 = 0x8021;
/// `TPM_ST_AUTH_SECRET` (Part 2, 6.9).
pub(crate) const TAG_AUTH_SECRET: u16 = 0x8023;
/// `TPM_ST_HASHCHECK` (Part 2, 6.9).
pub(crate) const TAG_HASHCHECK: u16 = 0x8024;

/// `TPM_ALG_RSA` (Part 2, 6.3).
pub(crate) const ALG_RSA: u16 = 0x0001;
/// `TPM_ALG_AES` (Part 2, 6.3).
pub(crate) const ALG_AES: u16 = 0x0006;
/// `TPM_ALG_SHA256` (Part 2, 6.3).
pub(crate) const ALG_SHA256: u16 = 0x000B;
/// `TPM_ALG_SHA384` (Part 2, 6.3).
pub(crate) const ALG_SHA384: u16 = 0x000C;
/// `TPM_ALG_SHA512` (Part 2, 6.3).
pub(crate) const ALG_SHA512: u16 = 0x000D;
/// `TPM_ALG_NULL` (Part 2, 6.3).
pub(crate) const ALG_NULL: u16 = 0x0010;
/// `TPM_ALG_ECDSA` (Part 2, 6.3).
pub(crate) const ALG_ECDSA: u16 = 0x0018;
/// `TPM_ALG_ECC` (Part 2, 6.3).
pub(crate) const ALG_ECC: u16 = 0x0023;
/// `TPM_ALG_CFB` (Part 2, 6.3).
pub(crate) const ALG_CFB: u16 = 0x0043;

/// `TPM_ECC_NIST_P256` (Part 2, 6.4).
pub(crate) const CURVE_P256: u16 = 0x0003;
/// `TPM_ECC_NIST_P384` (Part 2, 6.4).
pub(crate) const CURVE_P384: u16 = 0x0004;

/// `TPM_SE_HMAC` (Part 2, 6.11).
pub(crate) const SESSION_HMAC: u8 = 0x00;
/// `TPM_SE_POLICY` (Part 2, 6.11).
pub(crate) const SESSION_POLICY: u8 = 0x01;
/// `TPM_SU_CLEAR` (Part 2, 6.10).
pub(crate) const STARTUP_CLEAR: u16 = 0x0000;

/// `TPM_CAP_HANDLES` (Part 2, 6.12).
pub(crate) const CAPABILITY_HANDLES: u32 = 0x0000_0001;
/// `TPM_CAP_TPM_PROPERTIES` (Part 2, 6.12).
pub(crate) const CAPABILITY_PROPERTIES: u32 = 0x0000_0006;

/// `TPM_GENERATED_VALUE` (Part 2, 6.2). Every structure that the TPM itself makes and signs starts
/// with this value, and a restricted key signs no data from outside that starts with it.
pub(crate) const GENERATED_VALUE: u32 = 0xff54_4347;

/// Bytes in a SHA-256 digest.
pub(crate) const SHA256_SIZE: usize = 32;
/// Bytes in the largest digest, SHA-512 (`TPMU_HA`, Part 2, 10.3.1).
pub(crate) const MAX_DIGEST: usize = 64;
/// Bytes in the longest Name and in the longest `TPM2B_DATA`: an algorithm identifier and the
/// largest digest (`TPMT_HA`, Part 2, 10.3.2).
pub(crate) const MAX_NAME: usize = 2 + MAX_DIGEST;
/// Bits in an AES-128 key: the value of `keyBits` in a TPM structure.
pub(crate) const AES_KEY_BITS: u16 = 128;

/// The commands that this crate can send (`TPM_CC`, Part 2, 6.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommandCode {
    /// `TPM2_EvictControl`, Part 3, 28.5.
    EvictControl,
    /// `TPM2_CreatePrimary`, Part 3, 24.1.
    CreatePrimary,
    /// `TPM2_SelfTest`, Part 3, 10.2.
    SelfTest,
    /// `TPM2_Startup`, Part 3, 9.3.
    Startup,
    /// `TPM2_ActivateCredential`, Part 3, 12.5.
    ActivateCredential,
    /// `TPM2_Certify`, Part 3, 18.2.
    Certify,
    /// `TPM2_CertifyCreation`, Part 3, 18.3.
    CertifyCreation,
    /// `TPM2_NV_Read`, Part 3, 31.13.
    NvRead,
    /// `TPM2_PolicySecret`, Part 3, 23.4.
    PolicySecret,
    /// `TPM2_Create`, Part 3, 12.1.
    Create,
    /// `TPM2_Load`, Part 3, 12.2.
    Load,
    /// `TPM2_Sign`, Part 3, 20.2.
    Sign,
    /// `TPM2_FlushContext`, Part 3, 28.4.
    FlushContext,
    /// `TPM2_NV_ReadPublic`, Part 3, 31.6.
    NvReadPublic,
    /// `TPM2_ReadPublic`, Part 3, 12.4.
    ReadPublic,
    /// `TPM2_StartAuthSession`, Part 3, 11.1.
    StartAuthSession,
    /// `TPM2_GetCapability`, Part 3, 30.2.
    GetCapability,
    /// `TPM2_GetRandom`, Part 3, 16.1.
    GetRandom,
}

impl CommandCode {
    /// The 32-bit `TPM_CC` value.
    pub const fn value(self) -> u32 {
        match self {
            Self::EvictControl => 0x0000_0120,
            Self::CreatePrimary => 0x0000_0131,
            Self::SelfTest => 0x0000_0143,
            Self::Startup => 0x0000_0144,
            Self::ActivateCredential => 0x0000_0147,
            Self::Certify => 0x0000_0148,
            Self::CertifyCreation => 0x0000_014A,
            Self::NvRead => 0x0000_014E,
            Self::PolicySecret => 0x0000_0151,
            Self::Create => 0x0000_0153,
            Self::Load => 0x0000_0157,
            Self::Sign => 0x0000_015D,
            Self::FlushContext => 0x0000_0165,
            Self::NvReadPublic => 0x0000_0169,
            Self::ReadPublic => 0x0000_0173,
            Self::StartAuthSession => 0x0000_0176,
            Self::GetCapability => 0x0000_017A,
            Self::GetRandom => 0x0000_017B,
        }
    }
}
