//! The parsed statement that opens a connection.

use super::{ConnectionDraft, Statement, StatementPolicy, Target};
use crate::field::InField as _;
use crate::{
    AccountUserId, ClientId, Field, FieldError, Nonce, Reason, SessionId, Sha256Digest, UnixTime,
};

/// The one scope of a controller's connection.
pub const CONTROLLER_SCOPE: &str = "remote_control_controller_websocket";

/// "Open this connection." This statement ties a connection token to the key. Audience and scope
/// are constant and therefore not part of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The backend's single-use number.
    pub nonce: Nonce,
    /// The session to open.
    pub session_id: SessionId,
    /// The endpoint.
    pub target: Target,
    /// The account.
    pub account_user_id: AccountUserId,
    /// The client.
    pub client_id: ClientId,
    /// SHA-256 of the connection token.
    pub token_sha256: Sha256Digest,
    /// When the token expires.
    pub token_expires_at: UnixTime,
}

impl Connection {
    /// Parses the fields in the protocol's order of checks and reports the first fault.
    pub(super) fn parse(
        draft: &ConnectionDraft,
        policy: &impl StatementPolicy,
    ) -> Result<Self, FieldError> {
        let connection = Self {
            nonce: draft.nonce.parse().in_field(Field::Nonce)?,
            session_id: draft.session_id.parse().in_field(Field::SessionId)?,
            target: Target::parse(
                &draft.target_origin,
                &draft.target_path,
                Statement::Connection,
                policy,
            )?,
            account_user_id: draft.account_user_id.parse().in_field(Field::AccountUserId)?,
            client_id: draft.client_id.parse().in_field(Field::ClientId)?,
            token_sha256: draft.token_sha256.parse().in_field(Field::TokenSha256)?,
            token_expires_at: draft.token_expires_at,
        };
        controller_scope(&draft.scopes).in_field(Field::Scopes)?;
        policy.expiry(draft.token_expires_at).in_field(Field::TokenExpiresAt)?;
        Ok(connection)
    }
}

fn controller_scope(scopes: &[String]) -> Result<(), Reason> {
    match scopes {
        [scope] if scope == CONTROLLER_SCOPE => Ok(()),
        _ => Err(Reason::ScopesMismatch),
    }
}
