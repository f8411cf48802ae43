//! The report on one condition, and the fault of a condition that does not hold.

use std::io;

use device_key_private_fs::is_transient;
use device_key_private_fs::trusted::{Mistrust, TrustError};
use device_key_types::OsProtectionCondition;

/// The report on one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionReport {
    /// The condition.
    pub condition: OsProtectionCondition,
    /// What was found.
    pub found: String,
    /// How to fix it. `None` if the condition holds.
    pub fix: Option<String>,
    /// Whether a passing fault of the system kept the condition from being checked.
    pub(crate) is_transient: bool,
}

impl ConditionReport {
    /// Whether the condition holds.
    pub const fn holds(&self) -> bool {
        self.fix.is_none()
    }

    pub(super) fn new(condition: OsProtectionCondition, checked: Result<String, Fault>) -> Self {
        match checked {
            Ok(found) => Self { condition, found, fix: None, is_transient: false },
            Err(Fault { found, fix, is_transient }) => {
                Self { condition, found, fix: Some(fix), is_transient }
            }
        }
    }
}

/// A condition that does not hold.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    found: String,
    fix: String,
    is_transient: bool,
}

impl Fault {
    pub(super) fn new(found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { found: found.into(), fix: fix.into(), is_transient: false }
    }

    /// The fault of a condition that cannot be checked. Such a condition does not hold.
    pub(super) fn unknown(what: &str, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        let fault = Self::new(
            format!("{what} cannot be checked: {error}"),
            "give the service read access, and make sure that /proc is mounted",
        );
        Self { is_transient: is_transient(&error), ..fault }
    }

    /// Whether the condition may hold, and the check only has to be repeated.
    pub(super) const fn is_transient(&self) -> bool {
        self.is_transient
    }
}

impl From<TrustError> for Fault {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Io { path, source } => Self::unknown(&path.display().to_string(), source),
            TrustError::Untrusted { ref path, mistrust } => {
                let path = path.display();
                let fix = match mistrust {
                    Mistrust::SymbolicLink => "use a path without symbolic links".into(),
                    Mistrust::Owner { .. } => format!("chown root {path}"),
                    _ => format!("chmod go-w {path}, or use a folder that is not shared"),
                };
                Self::new(error.to_string(), fix)
            }
        }
    }
}
