//! Reads the wrapping key from a systemd credential.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::key::WrappingKey;

/// The name of the credential, which is also the name of its file (systemd.exec(5),
/// `LoadCredentialEncrypted=`).
pub const CREDENTIAL_NAME: &str = "device-key-wrapping-key";

/// Why a credential cannot be used as a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The file does not have exactly 32 bytes. A key has 32 bytes without a line end.
    #[error("the wrapping key in {} does not have exactly {} bytes", path.display(), WrappingKey::BYTES)]
    Size {
        /// The credential's file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the wrapping key in {}: {source}", path.display())]
    Io {
        /// The credential's file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl WrappingKey {
    /// Reads the key from a folder of credentials, `$CREDENTIALS_DIRECTORY` of a systemd unit.
    /// Returns `None` if the unit has no credential of this name. The service manager made the
    /// folder for this unit only, so the modes of the folder are not checked.
    pub fn from_credential(dir: &Path) -> Result<Option<Self>, CredentialError> {
        match Self::from_file(&dir.join(CREDENTIAL_NAME)) {
            Err(CredentialError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            key => key.map(Some),
        }
    }

    /// Reads the key from a file. If the path is `-`, reads it from standard input.
    pub fn from_file(path: &Path) -> Result<Self, CredentialError> {
        let key = match path.to_str() {
            // The standard library's buffer would keep a copy of the key.
            Some("-") => io::stdin().as_fd().try_clone_to_owned().map(File::from),
            _ => File::open(path),
        };
        let key = key.and_then(read);
        let path = path.to_owned();
        match key {
            Ok(key) => key.ok_or(CredentialError::Size { path }),
            Err(source) => Err(CredentialError::Io { path, source }),
        }
    }
}

/// Reads the key to the end. This asks for one byte more than a key has, to find a longer file.
fn read(mut file: impl Read) -> io::Result<Option<WrappingKey>> {
    let mut bytes = Zeroizing::new([0; WrappingKey::BYTES + 1]);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let key = bytes.first_chunk().filter(|_| filled == WrappingKey::BYTES);
    Ok(key.map(|key| WrappingKey::from_bytes(*key)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_a_file_of_32_bytes_is_a_key() {
        let dir = tempfile::tempdir().unwrap();
        assert!(WrappingKey::from_credential(dir.path()).unwrap().is_none());
        for (length, is_key) in [(0, false), (31, false), (32, true), (33, false), (64, false)] {
            fs::write(dir.path().join(CREDENTIAL_NAME), vec![7; length]).unwrap();
            match WrappingKey::from_credential(dir.path()) {
                Ok(Some(key)) => {
                    assert!(is_key, "{length}");
                    let wrapped = WrappingKey::from_bytes([7; 32]).wrap(b"", b"secret").unwrap();
                    assert_eq!(*key.unwrap(b"", &wrapped).unwrap(), *b"secret");
                }
                Err(CredentialError::Size { .. }) => assert!(!is_key, "{length}"),
                other => panic!("{length}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_unreadable_credential_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(CREDENTIAL_NAME)).unwrap();
        let error = WrappingKey::from_credential(dir.path()).unwrap_err();
        assert!(matches!(error, CredentialError::Io { .. }), "{error:?}");
    }
}
