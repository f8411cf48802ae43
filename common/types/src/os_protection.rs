use std::fmt;

/// A condition without which keys are not OS-protected: the one that does not hold is told to the
/// client in one word, what was found goes to the log and to `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OsProtectionCondition {
    /// This service offers no OS-protected keys.
    NotConfigured,
    /// The caller came over a transport on which it is, or may be, the owner of the process.
    Transport,
    /// The caller has the service's own user id.
    SameUser,
    /// The caller is root, which no user id keeps out.
    RootClient,
    /// The caller has the user id by which the kernel shows every user whom it cannot name here.
    UnmappedUser,
    /// The caller could replace the program or a library that it loads.
    Binary,
    /// The caller could change the configuration.
    Configuration,
    /// The key folder or a file in it has another owner, or group or other permissions.
    KeyFolder,
    /// A folder above has an owner other than root and the service, or others may write to it.
    Ancestors,
    /// A file system that does not enforce owners.
    FileSystem,
    /// Other processes of the service's user id may look into the process (`PR_SET_DUMPABLE`).
    Dumpable,
    /// The process may still gain privileges (`PR_SET_NO_NEW_PRIVS`).
    NewPrivileges,
    /// The kernel may write the process's memory to disk.
    CoreDumps,
    /// User ids in here are not those of the machine.
    UserNamespace,
    /// A key was not generated here.
    ImportedKey,
}

impl OsProtectionCondition {
    /// The condition as it stands on the wire.
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
