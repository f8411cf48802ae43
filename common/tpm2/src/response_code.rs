//! Response codes, decoded and sorted by what a caller can do about them (`TPM_RC`, Part 2, 6.6; the
//! layout of the bits in Part 1, section "Response Code Details").

use std::fmt;

#[cfg(test)]
mod tests;

/// A response code that is not success.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResponseCode(u32);

/// The input that a format-one error is about, counted from 1; 0 when the TPM does not say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A handle.
    Handle(u8),
    /// A session.
    Session(u8),
    /// A parameter.
    Parameter(u8),
}

/// A response code taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Decoded {
    /// A format-one error: `RC_FMT1` and its number (0x080 to 0x0BF), and what it is about.
    FormatOne {
        /// The code with its subject removed, such as 0x09F for `TPM_RC_INTEGRITY`.
        code: u16,
        /// What it is about.
        subject: Subject,
    },
    /// A format-zero error of TPM 2.0 (`RC_VER1`): 0x100 to 0x17F.
    FormatZero(u16),
    /// A warning (`RC_WARN`): 0x900 to 0x97F. The command may succeed later.
    Warning(u16),
    /// A vendor's code, one of TPM 1.2, or one made by software between us and the TPM.
    Foreign(u32),
}

/// What a response code means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseClass {
    /// Send the same command again: RETRY, YIELDED, TESTING.
    Retry,
    /// Dictionary-attack lockout (0x921).
    Lockout,
    /// An authorization is wrong: `AUTH_FAIL` (0x98E, counted by dictionary-attack protection), `BAD_AUTH`
    /// (0x9A2).
    Authorization,
    /// A blob does not belong to this parent in this TPM, or was damaged: INTEGRITY, BINDING.
    Integrity,
    /// The handle that was named holds nothing: HANDLE on a handle (0x18B), `REFERENCE_H0` to `_H6`.
    HandleMissing,
    /// The session that was named is gone: `REFERENCE_S0` to `_S6`.
    SessionMissing,
    /// No room for another loaded object (0x902).
    ObjectMemory,
    /// No room for another session: `SESSION_MEMORY` (0x903), `SESSION_HANDLES` (0x905), `CONTEXT_GAP` (0x901).
    SessionMemory,
    /// No object handle is left (0x906).
    ObjectHandles,
    /// `TPM2_Startup` is missing, or came twice (0x100).
    Initialize,
    /// The persistent handle or index is in use already (0x14C).
    NvDefined,
    /// No non-volatile space is left (0x14B).
    NvSpace,
    /// Non-volatile memory cannot be written now: `NV_RATE` (0x920), `NV_UNAVAILABLE` (0x923).
    NvUnavailable,
    /// The hierarchy is disabled or wrong here: HIERARCHY.
    Hierarchy,
    /// The TPM is in failure mode (0x101) or needs a reboot or an upgrade finished.
    Failure,
    /// Anything else: most often an input that this TPM does not accept.
    Other,
}

const FORMAT_ONE: u32 = 0x080;
const PARAMETER: u32 = 0x040;

impl ResponseCode {
    /// Takes a code from a response header; `None` for success.
    pub const fn from_header(value: u32) -> Option<Self> {
        if value == 0 { None } else { Some(Self(value)) }
    }

    /// The code as it came.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Takes the code apart.
    pub fn decode(self) -> Decoded {
        let foreign = Decoded::Foreign(self.0);
        // The layer that speaks is in bits 16 to 23 (TCG "TSS 2.0 Overview and Common Structures", 3.4).
        // Layers 11 and 12 are resource managers that answer in the TPM's place with the TPM's codes;
        // the one in the Linux kernel uses 11.
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

    /// What the code means for the caller.
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
    /// The stable code of this class.
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
