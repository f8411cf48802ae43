//! The errors of TPM operations, grouped by who is at fault.

use device_key_types::RandomUnavailable;

use crate::constants::CommandCode;
use crate::handle::Handle;
use crate::marshal::MarshalError;
use crate::response_code::{ResponseClass, ResponseCode};
use crate::transport::TransportError;

/// Why a TPM operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command did not reach the TPM or its response did not come back.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The TPM refused the command. The refusal is not authenticated: anyone on the bus to the TPM
    /// can forge one.
    #[error("the TPM refused {command:?} with {code}")]
    Refused {
        /// The command.
        command: CommandCode,
        /// The TPM's response code.
        code: ResponseCode,
    },
    /// The response does not have the format that the command returns.
    #[error("the response to {command:?} is malformed")]
    Malformed {
        /// The command.
        command: CommandCode,
        /// What is wrong with the response.
        #[source]
        source: MarshalError,
    },
    /// The HMAC of the response is wrong: the command or the response was changed on its way.
    #[error("the response to {command:?} is not authentic")]
    ResponseAuthentication {
        /// The command.
        command: CommandCode,
    },
    /// The TPM returned a Name that differs from the one computed from the public area.
    #[error("{command:?} returned a Name that does not match its public area")]
    NameMismatch {
        /// The command.
        command: CommandCode,
    },
    /// The TPM returned a different kind of key than the requested one.
    #[error("{command:?} returned a different kind of key than the requested one")]
    UnexpectedKey {
        /// The command.
        command: CommandCode,
    },
    /// The TPM attested something other than what was requested.
    #[error("{command:?} attested something other than what was requested")]
    UnexpectedAttestation {
        /// The command.
        command: CommandCode,
    },
    /// The credential is damaged, or was made for another endorsement key or another attestation
    /// key.
    #[error("the TPM cannot open the credential: {code}")]
    Credential {
        /// The TPM's response code.
        code: ResponseCode,
    },
    /// The NV index can be read neither with its own empty authValue nor with the owner's empty
    /// authorization.
    #[error("NV index {index} cannot be read without its policy")]
    NvNotReadable {
        /// The index.
        index: Handle,
    },
    /// An earlier command in this session failed in such a way that the next nonce of the TPM is
    /// unknown.
    #[error("the session can no longer be used")]
    SessionUnusable,
    /// The input from the caller does not fit into a command.
    #[error("an input does not fit into a TPM command")]
    Input(#[source] MarshalError),
    /// The random source returned no bytes.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

impl Error {
    /// The stable code of this error, such as `tpm_malformed`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Transport(error) => error.reason(),
            Self::Refused { code, .. } => code.class().reason(),
            Self::Malformed { .. } => "tpm_malformed",
            Self::ResponseAuthentication { .. } => "tpm_response_authentication",
            Self::NameMismatch { .. } => "tpm_name_mismatch",
            Self::UnexpectedKey { .. } => "tpm_unexpected_key",
            Self::UnexpectedAttestation { .. } => "tpm_unexpected_attestation",
            Self::Credential { .. } => "tpm_credential",
            Self::NvNotReadable { .. } => "tpm_nv_not_readable",
            Self::SessionUnusable => "tpm_session_unusable",
            Self::Input(_) => "tpm_input",
            Self::Random(_) => "random_unavailable",
        }
    }

    /// The meaning of the TPM's refusal, or `None` if this error is not a refusal.
    pub fn class(&self) -> Option<ResponseClass> {
        match self {
            Self::Refused { code, .. } | Self::Credential { code } => Some(code.class()),
            _ => None,
        }
    }
}
