//! The conditions of OS-protected keys.

use std::fmt;

/// A condition that must hold for OS-protected keys. Each variant describes the fault that is
/// reported when the condition does not hold.
///
/// The client learns only the name of the condition that does not hold. The details go to the log
/// and to `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OsProtectionCondition {
    /// This service offers no OS-protected keys.
    NotConfigured,
    /// The caller uses a transport on which it owns, or may own, the service's process.
    Transport,
    /// The caller has the service's own user id.
    SameUser,
    /// The caller is root, against whom user ids do not protect.
    RootClient,
    /// The caller has the overflow user id, which the kernel shows for every user without a user id
    /// in this namespace.
    UnmappedUser,
    /// The caller could replace the program or a library that it loads.
    Binary,
    /// The caller could change the configuration.
    Configuration,
    /// The key folder or a file in it has another owner, or group or other permissions.
    KeyFolder,
    /// A parent folder of the key folder has an owner other than root and the service, or other
    /// users may write to it.
    Ancestors,
    /// The file system does not enforce owners.
    FileSystem,
    /// Other processes with the service's user id may read the process's memory
    /// (`PR_SET_DUMPABLE`).
    Dumpable,
    /// The process may still gain privileges (`PR_SET_NO_NEW_PRIVS`).
    NewPrivileges,
    /// The kernel may write the process's memory to disk.
    CoreDumps,
    /// The service runs in a user namespace, whose user ids are not the machine's user ids.
    UserNamespace,
    /// A key was not generated here.
    ImportedKey,
}

impl OsProtectionCondition {
    /// The condition's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::Transport => "transport",
            Self::SameUser => "same_user",
            Self::RootClient => "root_client",
            Self::UnmappedUser => "unmapped_user",
            Self::Binary => "binary",
            Self::Configuration => "configuration",
            Self::KeyFolder => "key_folder",
            Self::Ancestors => "ancestors",
            Self::FileSystem => "file_system",
            Self::Dumpable => "dumpable",
            Self::NewPrivileges => "new_privileges",
            Self::CoreDumps => "core_dumps",
            Self::UserNamespace => "user_namespace",
            Self::ImportedKey => "imported_key",
        }
    }
}

impl fmt::Display for OsProtectionCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for OsProtectionCondition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
