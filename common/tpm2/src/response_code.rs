//! Response codes, decoded and classified by what a caller can do about them (`TPM_RC`, Part 2,
//! 6.6; the layout of the bits is in Part 1, section "Response Code Details").

use std::fmt;

#[cfg(test)]
mod tests;

/// A response code other than success.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResponseCode(u32);

/// The input that a format-one error is about. Inputs are counted from 1; 0 means that the TPM does
/// not say which input it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A handle.
    Handle(u8),
    /// A session.
    Session(u8),
    /// A parameter.
    Parameter(u8),
}

/// A decoded response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decoded {
    /// A format-one error: `RC_FMT1` and an error number (0x080 to 0x0BF), with the input that it
    /// is about.
    FormatOne {
        /// The code without its subject, such as 0x09F for `TPM_RC_INTEGRITY`.
        code: u16,
        /// The input that the error is about.
        subject: Subject,
    },
    /// A format-zero error of TPM 2.0 (`RC_VER1`): 0x100 to 0x17F.
    FormatZero(u16),
    /// A warning (`RC_WARN`): 0x900 to 0x97F. The command may succeed later.
    Warning(u16),
    /// A code of the vendor, of TPM 1.2, or of software between this crate and the TPM.
    Foreign(u32),
}

/// The meaning of a response code for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseClass {
    /// Send the same command again: RETRY, YIELDED, TESTING.
    Retry,
    /// The TPM is in dictionary-attack lockout (0x921).
    Lockout,
    /// An authorization is wrong: `AUTH_FAIL` (0x98E, which dictionary-attack protection counts) or
    /// `BAD_AUTH` (0x9A2).
    Authorization,
    /// A blob belongs to another parent or another TPM, or it is damaged: INTEGRITY, BINDING.
    Integrity,
    /// There is nothing at the handle: HANDLE about a handle (0x18B), `REFERENCE_H0` to `_H6`.
    HandleMissing,
    /// The session does not exist any more: `REFERENCE_S0` to `_S6`.
    SessionMissing,
    /// The TPM has no memory for another loaded object (0x902).
    ObjectMemory,
    /// The TPM cannot hold another session: `SESSION_MEMORY` (0x903), `SESSION_HANDLES` (0x905),
    /// `CONTEXT_GAP` (0x901).
    SessionMemory,
    /// No object handle is left (0x906).
    ObjectHandles,
    /// `TPM2_Startup` was not run yet, or was run twice (0x100).
    Initialize,
    /// The persistent handle or index is in use already (0x14C).
    NvDefined,
    /// No non-volatile space is left (0x14B).
    NvSpace,
    /// Non-volatile memory cannot be written now: `NV_RATE` (0x920), `NV_UNAVAILABLE` (0x923).
    NvUnavailable,
    /// The hierarchy is disabled, or it is the wrong one for this command: HIERARCHY.
    Hierarchy,
    /// The TPM is in failure mode (0x101), needs a reboot, or must finish an upgrade.
    Failure,
    /// Any other code. In most cases this TPM does not accept an input.
    Other,
}

const FORMAT_ONE: u32 = 0x080;
const PARAMETER: u32 = 0x040;

impl ResponseCode {
    /// Creates a code from a response header. Returns `None` for success.
    pub const fn from_header(value: u32) -> Option<Self> {
        if value == 0 { None } else { Some(Self(value)) }
    }

    /// The 32-bit code.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Decodes the code.
    pub fn decode(self) -> Decoded {
        let foreign = Decoded::Foreign(self.0);
        // Bits 16 to 23 tell which software layer made the code (TCG "TSS 2.0 Overview and Common
        // Structures", 3.4). Layers 11 and 12 are resource managers, which answer for the TPM with
        // the TPM's codes; the resource manager in the Linux kernel uses layer 11.
        if !matches!(self.0 >> 16, 0 | 11 | 12) {
            return foreign;
        }
        let Ok(code) = u16::try_from(self.0 & 0xffff) else {
            return foreign;
        };
        match code {
            0x0000..=0x0fff if self.0 & FORMAT_ONE != 0 => {
                let number = u8::try_from((code >> 8) & 0x0f).unwrap_or_default();
                let subject = if self.0 & PARAMETER != 0 {
                    Subject::Parameter(number)
                } else if number >= 8 {
                    Subject::Session(number - 8)
                } else {
                    Subject::Handle(number)
                };
                Decoded::FormatOne { code: code & 0x0bf, subject }
            }
            0x0100..=0x017f => Decoded::FormatZero(code),
            0x0900..=0x097f => Decoded::Warning(code),
            _ => foreign,
        }
    }

    /// The meaning of the code for the caller.
    pub fn class(self) -> ResponseClass {
        match self.decode() {
            Decoded::Warning(code) => match code {
                0x908 | 0x90a | 0x922 => ResponseClass::Retry,
                0x921 => ResponseClass::Lockout,
                0x902 => ResponseClass::ObjectMemory,
                0x901 | 0x903 | 0x905 => ResponseClass::SessionMemory,
                0x906 => ResponseClass::ObjectHandles,
                0x910..=0x916 => ResponseClass::HandleMissing,
                0x918..=0x91e => ResponseClass::SessionMissing,
                0x920 | 0x923 => ResponseClass::NvUnavailable,
                _ => ResponseClass::Other,
            },
            Decoded::FormatZero(code) => match code {
                0x100 => ResponseClass::Initialize,
                0x101 | 0x12d | 0x130 => ResponseClass::Failure,
                0x14b => ResponseClass::NvSpace,
                0x14c => ResponseClass::NvDefined,
                _ => ResponseClass::Other,
            },
            Decoded::FormatOne { code, subject } => match (code, subject) {
                (0x08e | 0x0a2, _) => ResponseClass::Authorization,
                (0x09f | 0x0a5, _) => ResponseClass::Integrity,
                (0x08b, Subject::Handle(_)) => ResponseClass::HandleMissing,
                (0x085, _) => ResponseClass::Hierarchy,
                _ => ResponseClass::Other,
            },
            Decoded::Foreign(_) => ResponseClass::Other,
        }
    }
}

impl ResponseClass {
    /// The stable code of this class, such as `tpm_lockout`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Retry => "tpm_retry",
            Self::Lockout => "tpm_lockout",
            Self::Authorization => "tpm_authorization",
            Self::Integrity => "tpm_integrity",
            Self::HandleMissing => "tpm_handle_missing",
            Self::SessionMissing => "tpm_session_missing",
            Self::ObjectMemory => "tpm_object_memory",
            Self::SessionMemory => "tpm_session_memory",
            Self::ObjectHandles => "tpm_object_handles",
            Self::Initialize => "tpm_initialize",
            Self::NvDefined => "tpm_nv_defined",
            Self::NvSpace => "tpm_nv_space",
            Self::NvUnavailable => "tpm_nv_unavailable",
            Self::Hierarchy => "tpm_hierarchy",
            Self::Failure => "tpm_failure",
            Self::Other => "tpm_refused",
        }
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#05x}", self.0)?;
        if let Decoded::FormatOne { subject, .. } = self.decode() {
            match subject {
                Subject::Handle(number) => write!(f, " (handle {number})")?,
                Subject::Session(number) => write!(f, " (session {number})")?,
                Subject::Parameter(number) => write!(f, " (parameter {number})")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseCode({self})")
    }
}
