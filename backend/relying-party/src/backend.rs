use device_key_types::{
    BackendOrigin, PathPrefix, Reason,
    payload::{Statement, Target},
};

/// Where statements to this relying party are addressed: what a client must sign, whatever proxy
/// its request came through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    connection: Target,
    enrollment: Target,
    attestation: Target,
}

impl Backend {
    /// The endpoints behind this prefix.
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
