use super::{Admission, Statement};
use crate::{Origin, Reason, TargetPath, UnixTime};

/// Admits whatever is valid in itself: for who compares the parsed statement with the one that was asked
/// for, which is narrower than any policy. Nothing may be signed that was admitted like this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyntaxAlone;

impl Admission for SyntaxAlone {
    fn origin(&self, _: &Origin) -> Result<(), Reason> {
        Ok(())
    }

    fn path(&self, _: Statement, _: &Origin, _: &TargetPath) -> Result<(), Reason> {
        Ok(())
    }

    fn expiry(&self, _: UnixTime) -> Result<(), Reason> {
        Ok(())
    }
}
