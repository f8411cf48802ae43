//! The two statements that a device key signs, and the bytes that are signed.
//!
//! A payload begins as text ([`Draft`]), is parsed field by field in one fixed order
//! ([`Draft::parse`]), and is then a [`SignPayload`]. While parsing, what the deployment allows is
//! asked through [`StatementPolicy`] at the field's own place, so that of several faults the first in
//! that order is the one reported. The signed bytes are made from the parsed values.

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

/// Which of the statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statement {
    /// "Open this connection."
    Connection,
    /// "Enroll this device."
    Enrollment,
    /// "This key lives in this TPM", which no device key signs: [`crate::attestation`].
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

    /// The end of the path at which a backend takes this statement. What stands in front of it is a
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

/// What a deployment allows, asked once for each field that is a matter of policy.
pub trait StatementPolicy {
    /// May a statement be addressed to `origin`?
    fn origin(&self, origin: &Origin) -> Result<(), Reason>;
    /// May this kind of statement be addressed to `path` at `origin`?
    fn path(&self, statement: Statement, origin: &Origin, path: &TargetPath) -> Result<(), Reason>;
    /// Is the expiry in the future and near enough?
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
    /// Asks the policy about origin, then path.
    pub(crate) fn allowed_by(
        &self,
        statement: Statement,
        policy: &impl StatementPolicy,
    ) -> Result<(), FieldError> {
        let refused = |field| move |reason| FieldError { field, reason };
        policy.origin(&self.origin).map_err(refused(Field::TargetOrigin))?;
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
        policy.origin(&origin).in_field(Field::TargetOrigin)?;
        let path: TargetPath = path.parse().in_field(Field::TargetPath)?;
        policy.path(statement, &origin, &path).in_field(Field::TargetPath)?;
        Ok(Self { origin, path })
    }
}

/// A statement whose every field is valid in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignPayload {
    /// "Open this connection."
    Connection(Connection),
    /// "Enroll this device."
    Enrollment(Enrollment),
}

impl SignPayload {
    /// Which statement it is.
    pub const fn statement(&self) -> Statement {
        match self {
            Self::Connection(_) => Statement::Connection,
            Self::Enrollment(_) => Statement::Enrollment,
        }
    }

    /// The endpoint that it is addressed to.
    pub const fn target(&self) -> &Target {
        match self {
            Self::Connection(payload) => &payload.target,
            Self::Enrollment(payload) => &payload.target,
        }
    }

    /// The account that it speaks for.
    pub const fn account_user_id(&self) -> &AccountUserId {
        match self {
            Self::Connection(payload) => &payload.account_user_id,
            Self::Enrollment(payload) => &payload.account_user_id,
        }
    }

    /// The client that it speaks for.
    pub const fn client_id(&self) -> &ClientId {
        match self {
            Self::Connection(payload) => &payload.client_id,
            Self::Enrollment(payload) => &payload.client_id,
        }
    }

    /// When it stops being valid.
    pub const fn expires_at(&self) -> UnixTime {
        match self {
            Self::Connection(payload) => payload.token_expires_at,
            Self::Enrollment(payload) => payload.challenge_expires_at,
        }
    }

    /// Asks the policy about target and expiry again; time may have passed since the parse, and a
    /// payload built from values was never asked about.
    pub fn allowed_by(&self, policy: &impl StatementPolicy) -> Result<(), FieldError> {
        let statement = self.statement();
        self.target().allowed_by(statement, policy)?;
        self.unexpired(policy)
    }

    /// Asks about the expiry alone.
    pub fn unexpired(&self, policy: &impl StatementPolicy) -> Result<(), FieldError> {
        policy
            .expiry(self.expires_at())
            .map_err(|reason| FieldError { field: self.statement().expiry_field(), reason })
    }
}

#[cfg(test)]
mod tests;
