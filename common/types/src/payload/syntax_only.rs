//! The policy of callers that do their own comparison.

use super::{Statement, StatementPolicy};
use crate::{Origin, Reason, TargetPath, UnixTime};

/// Allows every target and expiry that is valid in itself.
///
/// This policy is for callers that compare the parsed statement with the one that they asked for,
/// which is narrower than any policy. A statement that was parsed with this policy must not be
/// signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyntaxOnly;

impl StatementPolicy for SyntaxOnly {
    fn origin(&self, _: Statement, _: &Origin) -> Result<(), Reason> {
        Ok(())
    }

    fn path(&self, _: Statement, _: &Origin, _: &TargetPath) -> Result<(), Reason> {
        Ok(())
    }

    fn expiry(&self, _: UnixTime) -> Result<(), Reason> {
        Ok(())
    }
}
