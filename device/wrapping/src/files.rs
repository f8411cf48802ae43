//! A folder of secrets in which each file may be wrapped.

use std::ops::AddAssign;

use device_key_private_fs::{FileName, PrivateDir, PrivateFsError};
use zeroize::Zeroizing;

use crate::key::{OVERHEAD_BYTES, WrapError, WrappingKey, is_wrapped};

/// The files of one folder whose names end in one suffix. Each file holds one secret, which may be
/// wrapped. The context of a wrapped secret consists of a purpose, a space, and the file's name
/// without the suffix.
#[derive(Debug)]
pub struct WrappedFiles {
    folder: PrivateDir,
    suffix: &'static str,
    purpose: &'static str,
    max_bytes: usize,
}

/// How many files hold a secret of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WrappedCount {
    /// Wrapped secrets that the key opens.
    pub opened: usize,
    /// Wrapped secrets that the key does not open, or for which there is no key.
    pub closed: usize,
    /// Secrets that are not wrapped.
    pub plain: usize,
}

/// Why the files could not be wrapped anew. The files that are not wrapped anew are unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// A file cannot be read or replaced.
    #[error(transparent)]
    File(#[from] PrivateFsError),
    /// A secret cannot be wrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
}

impl WrappedFiles {
    /// The files in `folder` that end in `suffix`, of at most `max_bytes` bytes.
    pub const fn new(
        folder: PrivateDir,
        suffix: &'static str,
        purpose: &'static str,
        max_bytes: usize,
    ) -> Self {
        Self { folder, suffix, purpose, max_bytes }
    }

    /// Reads every file, and tries to open it with the key. A file that cannot be read is left out,
    /// because it concerns only its own secret.
    ///
    /// Fails if the folder cannot be listed, or with an error that is transient.
    pub fn count(&self, key: Option<&WrappingKey>) -> Result<WrappedCount, PrivateFsError> {
        let mut count = WrappedCount::default();
        for (name, context) in self.names()? {
            match self.folder.read(&name, self.max_bytes).map(Zeroizing::new) {
                Ok(stored) if is_plain(&stored) => count.plain += 1,
                Ok(stored) => match key.map(|key| key.unwrap(&context, &stored)) {
                    Some(Ok(_)) => count.opened += 1,
                    Some(Err(_)) | None => count.closed += 1,
                },
                Err(error) if error.is_transient() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(count)
    }

    /// Wraps with `new` what `old` opens, and counts what `new` opens afterwards. Each file is
    /// replaced at once, so after an interruption each secret opens with one of the two keys, and a
    /// second call finishes the work. Secrets that are not wrapped stay as they are.
    pub fn rewrap(
        &self,
        old: &WrappingKey,
        new: &WrappingKey,
    ) -> Result<WrappedCount, RewrapError> {
        let mut count = WrappedCount::default();
        for (name, context) in self.names()? {
            let stored = match self.folder.read(&name, self.max_bytes) {
                Err(PrivateFsError::NotFound { .. }) => continue,
                stored => Zeroizing::new(stored?),
            };
            if is_plain(&stored) {
                count.plain += 1;
            } else if new.unwrap(&context, &stored).is_ok() {
                count.opened += 1;
            } else if let Ok(secret) = old.unwrap(&context, &stored) {
                self.folder.replace(&name, &new.wrap(&context, &secret)?)?;
                count.opened += 1;
            } else {
                count.closed += 1;
            }
        }
        Ok(count)
    }

    /// The name and the context of each secret.
    fn names(&self) -> Result<Vec<(FileName, Vec<u8>)>, PrivateFsError> {
        let named = |name: FileName| {
            let stem = name.as_str().strip_suffix(self.suffix)?;
            let context = format!("{} {stem}", self.purpose).into_bytes();
            Some((name, context))
        };
        Ok(self.folder.list()?.into_iter().filter_map(named).collect())
    }
}

impl AddAssign for WrappedCount {
    fn add_assign(&mut self, other: Self) {
        self.opened += other.opened;
        self.closed += other.closed;
        self.plain += other.plain;
    }
}

/// Whether a stored secret is not wrapped. A short secret of random bytes may begin as a wrapped
/// secret does.
fn is_plain(stored: &[u8]) -> bool {
    !is_wrapped(stored) || stored.len() <= OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: WrappingKeyBytes = [1; 32];
    const NEW: WrappingKeyBytes = [2; 32];
    type WrappingKeyBytes = [u8; WrappingKey::BYTES];

    fn key(bytes: WrappingKeyBytes) -> WrappingKey {
        WrappingKey::from_bytes(bytes)
    }

    #[test]
    fn an_interrupted_rewrap_is_finished_by_the_next() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = PrivateDir::open_or_create(&scratch.path().join("secrets")).unwrap();
        let files = WrappedFiles::new(folder.clone(), ".secret", "test/v1", 256);
        let name = |stem: &str| format!("{stem}.secret").parse::<FileName>().unwrap();
        let put = |stem: &str, bytes: WrappingKeyBytes| {
            let context = format!("test/v1 {stem}");
            let wrapped = key(bytes).wrap(context.as_bytes(), stem.as_bytes()).unwrap();
            folder.create_new(&name(stem), &wrapped).unwrap();
        };
        for stem in ["a", "b", "c"] {
            put(stem, OLD);
        }
        put("done", NEW);
        put("foreign", [3; 32]);
        // A plain secret may begin like a wrapped one.
        folder.create_new(&name("plain"), b"DKW\x01 and 28 more random bytes..").unwrap();
        folder.create_new(&"other".parse().unwrap(), b"of another program").unwrap();
        let count = |opened, closed, plain| WrappedCount { opened, closed, plain };
        assert_eq!(files.count(None).unwrap(), count(0, 5, 1));
        assert_eq!(files.count(Some(&key(OLD))).unwrap(), count(3, 2, 1));
        for _ in 0..2 {
            assert_eq!(files.rewrap(&key(OLD), &key(NEW)).unwrap(), count(4, 1, 1));
            assert_eq!(files.count(Some(&key(OLD))).unwrap(), count(0, 5, 1));
            assert_eq!(files.count(Some(&key(NEW))).unwrap(), count(4, 1, 1));
        }
        let stored = folder.read(&name("b"), 256).unwrap();
        assert_eq!(*key(NEW).unwrap(b"test/v1 b", &stored).unwrap(), *b"b");
        // A wrong old key changes nothing.
        assert_eq!(files.rewrap(&key([9; 32]), &key([8; 32])).unwrap(), count(0, 5, 1));
        assert_eq!(folder.read(&name("b"), 256).unwrap(), stored);
    }
}
