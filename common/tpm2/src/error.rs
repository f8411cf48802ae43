//! What can go wrong, grouped by whose doing it is.

use crate::constants::CommandCode;
use crate::handle::Handle;
use crate::marshal::MarshalError;
use crate::random::RandomError;
use crate::response_code::{ResponseClass, ResponseCode};
use crate::transport::TransportError;

/// Why a TPM operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command did not reach the TPM or its response did not come back.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The TPM refused the command. Not authenticated: whoever sits on the bus can make one up.
    #[error("the TPM refused {command:?} with {code}")]
    Refused {
        /// The command.
        command: CommandCode,
        /// The TPM's response code.
        code: ResponseCode,
    },
    /// The TPM's response is not what the command returns.
    #[error("the response to {command:?} is malformed")]
    Malformed {
        /// The command.
        command: CommandCode,
        /// What is wrong with it.
        #[source]
        source: MarshalError,
    },
    /// The response's HMAC is wrong: somebody changed the command or the response on its way.
    #[error("the response to {command:?} is not authentic")]
    ResponseAuthentication {
        /// The command.
        command: CommandCode,
    },
    /// The TPM returned another Name than the one computed from the public area.
    #[error("the Name returned by {command:?} is not that of its public area")]
    NameMismatch {
        /// The command.
        command: CommandCode,
    },
    /// The TPM returned another kind of key than was asked for.
    #[error("{command:?} returned another kind of key than was asked for")]
    UnexpectedKey {
        /// The command.
        command: CommandCode,
    },
    /// The TPM attested something else than was asked for.
    #[error("{command:?} attested something else than was asked for")]
    UnexpectedAttestation {
        /// The command.
        command: CommandCode,
    },
    /// The credential was not made for this endorsement key and this attestation key, or was damaged.
    #[error("the TPM cannot open the credential: {code}")]
    Credential {
        /// The TPM's response code.
        code: ResponseCode,
    },
    /// The NV index can be read neither with its own empty authorization nor with the owner's.
    #[error("NV index {index} cannot be read without its policy")]
    NvNotReadable {
        /// The index.
        index: Handle,
    },
    /// An earlier command in this session failed in a way that leaves its nonces unknown.
    #[error("the session cannot be used any more")]
    SessionUnusable,
    /// What the caller passed does not fit into a command.
    #[error("an input does not fit into a TPM command")]
    Input(#[source] MarshalError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl Error {
    /// The stable code of this error.
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

    /// What the TPM's refusal means; `None` if this is not a refusal.
    pub fn class(&self) -> Option<ResponseClass> {
        match self {
            Self::Refused { code, .. } | Self::Credential { code } => Some(code.class()),
            _ => None,
        }
    }
}
