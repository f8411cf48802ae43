//! The two statements that a device key signs, and the bytes that are signed.
//!
//! A payload begins as text ([`Draft`]) and is parsed field by field in one fixed order
//! ([`Draft::parse`]) into a [`SignPayload`]. The parser asks the [`StatementPolicy`] about each
//! field when it reaches that field, so it reports the first fault in the fixed order even if the
//! fault is a matter of policy. The signed bytes are made from the parsed values.

mod canonical;
mod connection;
mod draft;
mod enrollment;
mod syntax_only;

pub use canonical::{SIGNING_DOMAIN, UnserializableError, device_identity_digest};
pub use connection::{CONTROLLER_SCOPE, Connection};
pub use draft::{ConnectionDraft, Draft, EnrollmentDraft, MalformedDraft};
pub use enrollment::Enrollment;
pub use syntax_only::SyntaxOnly;

use crate::{AccountUserId, ClientId, Field, FieldError, Origin, Reason, TargetPath, UnixTime};

/// The kinds of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statement {
    /// "Open this connection."
    Connection,
    /// "Enroll this device."
    Enrollment,
    /// "This key lives in this TPM." No device key signs this statement, see
    /// [`crate::attestation`].
    Attestation,
}

impl Statement {
    /// The payload's `type` on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "remoteControlClientConnection",
            Self::Enrollment => "remoteControlClientEnrollment",
            Self::Attestation => "remoteControlClientAttestation",
        }
    }

    /// The payload's `audience` on the wire.
    pub const fn audience(self) -> &'static str {
        match self {
            Self::Connection => "remote_control_client_websocket",
            Self::Enrollment => "remote_control_client_enrollment",
            Self::Attestation => "remote_control_client_attestation",
        }
    }

    /// The end of the path at which a backend takes this statement, behind a
    /// [`PathPrefix`](crate::PathPrefix).
    ///
    /// The endpoints end in different segments, so no prefix makes the path of one statement the
    /// path of another.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::Connection => "/remote/control/client",
            Self::Enrollment => "/remote/control/client/enroll",
            Self::Attestation => "/remote/control/client/enroll/attestation",
        }
    }

    /// The name of the expiry field in this statement.
    pub const fn expiry_field(self) -> Field {
        match self {
            Self::Connection => Field::TokenExpiresAt,
            Self::Enrollment | Self::Attestation => Field::ChallengeExpiresAt,
        }
    }
}

/// What a deployment allows. Parsers ask once for each field that is a matter of policy.
pub trait StatementPolicy {
    /// Checks whether this kind of statement may be addressed to `origin`.
    fn origin(&self, statement: Statement, origin: &Origin) -> Result<(), Reason>;
    /// Checks whether this kind of statement may be addressed to `path` at `origin`.
    fn path(&self, statement: Statement, origin: &Origin, path: &TargetPath) -> Result<(), Reason>;
    /// Checks that the expiry is in the future and near enough.
    fn expiry(&self, expires_at: UnixTime) -> Result<(), Reason>;
}

/// The endpoint that a statement is addressed to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The backend's origin.
    pub origin: Origin,
    /// The path of the endpoint.
    pub path: TargetPath,
}

impl Target {
    /// Checks origin, then path, against the policy.
    pub(crate) fn allowed_by(
        &self,
        statement: Statement,
        policy: &impl StatementPolicy,
    ) -> Result<(), FieldError> {
        let refused = |field| move |reason| FieldError { field, reason };
        policy.origin(statement, &self.origin).map_err(refused(Field::TargetOrigin))?;
        policy.path(statement, &self.origin, &self.path).map_err(refused(Field::TargetPath))
    }

    pub(crate) fn parse(
        origin: &str,
        path: &str,
        statement: Statement,
        policy: &impl StatementPolicy,
    ) -> Result<Self, FieldError> {
        use crate::field::InField as _;
        let origin: Origin = origin.parse().in_field(Field::TargetOrigin)?;
        policy.origin(statement, &origin).in_field(Field::TargetOrigin)?;
        let path: TargetPath = path.parse().in_field(Field::TargetPath)?;
        policy.path(statement, &origin, &path).in_field(Field::TargetPath)?;
        Ok(Self { origin, path })
    }
}

/// A statement that a device key can sign. Each of its fields is valid in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignPayload {
    /// "Open this connection."
    Connection(Connection),
    /// "Enroll this device."
    Enrollment(Enrollment),
}

impl SignPayload {
    /// The kind of the statement.
    pub const fn statement(&self) -> Statement {
        match self {
            Self::Connection(_) => Statement::Connection,
            Self::Enrollment(_) => Statement::Enrollment,
        }
    }

    /// The endpoint that the statement is addressed to.
    pub const fn target(&self) -> &Target {
        match self {
            Self::Connection(payload) => &payload.target,
            Self::Enrollment(payload) => &payload.target,
        }
    }

    /// The account that the statement speaks for.
    pub const fn account_user_id(&self) -> &AccountUserId {
        match self {
            Self::Connection(payload) => &payload.account_user_id,
            Self::Enrollment(payload) => &payload.account_user_id,
        }
    }

    /// The client that the statement speaks for.
    pub const fn client_id(&self) -> &ClientId {
        match self {
            Self::Connection(payload) => &payload.client_id,
            Self::Enrollment(payload) => &payload.client_id,
        }
    }

    /// When the statement expires.
    pub const fn expires_at(&self) -> UnixTime {
        match self {
            Self::Connection(payload) => payload.token_expires_at,
            Self::Enrollment(payload) => payload.challenge_expires_at,
        }
    }

    /// Checks target and expiry against the policy. Time may have passed since the parse, and a
    /// payload that was built from values was never checked.
    pub fn allowed_by(&self, policy: &impl StatementPolicy) -> Result<(), FieldError> {
        let statement = self.statement();
        self.target().allowed_by(statement, policy)?;
        self.unexpired(policy)
    }

    /// Checks only the expiry against the policy.
    pub fn unexpired(&self, policy: &impl StatementPolicy) -> Result<(), FieldError> {
        policy
            .expiry(self.expires_at())
            .map_err(|reason| FieldError { field: self.statement().expiry_field(), reason })
    }
}

#[cfg(test)]
mod tests;
