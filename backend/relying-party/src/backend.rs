//! The endpoints of the relying party.

use device_key_types::payload::{Statement, Target};
use device_key_types::{BackendOrigin, PathPrefix, Reason};

/// The endpoints of this relying party, as clients must sign them. They do not depend on the
/// proxies between a client and the relying party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    connection: Target,
    enrollment: Target,
    attestation: Target,
}

impl Backend {
    /// Creates the endpoints of this origin under this path prefix.
    pub fn new(origin: &BackendOrigin, prefix: &PathPrefix) -> Result<Self, Reason> {
        let target = |statement| {
            Ok(Target { origin: origin.as_origin().clone(), path: prefix.endpoint(statement)? })
        };
        Ok(Self {
            connection: target(Statement::Connection)?,
            enrollment: target(Statement::Enrollment)?,
            attestation: target(Statement::Attestation)?,
        })
    }

    /// The endpoint of a statement.
    pub const fn target(&self, statement: Statement) -> &Target {
        match statement {
            Statement::Connection => &self.connection,
            Statement::Enrollment => &self.enrollment,
            Statement::Attestation => &self.attestation,
        }
    }
}
