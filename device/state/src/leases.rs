//! Leases: locked files that show which processes that create keys are still alive.

use std::sync::{Mutex, PoisonError};

use device_key_private_fs::{FileName, Lease, PrivateDir, PrivateFsError};

use crate::error::DatabaseError;
use crate::names::{LEASES, PREPARING, file_name};

/// The folder of all leases.
pub(crate) fn folder(home: &PrivateDir) -> Result<PrivateDir, PrivateFsError> {
    home.subdir(&file_name(LEASES)?)
}

/// The lease of this runtime. The runtime takes the lease when it first begins a key, and holds it
/// until the runtime is dropped.
#[derive(Debug)]
pub(crate) struct Leases {
    home: PrivateDir,
    own: Mutex<Option<Lease>>,
}

impl Leases {
    pub(crate) fn new(home: PrivateDir) -> Self {
        Self { home, own: Mutex::new(None) }
    }

    /// Takes the lease if needed, and returns its name. The name is random and never used twice, so
    /// a name in a record always means the same runtime.
    pub(crate) fn take(&self) -> Result<FileName, DatabaseError> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lease) = &*own {
            return Ok(lease.name().clone());
        }
        self.sweep()?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(DatabaseError::NoRandom)?;
        let name = file_name(&format!("{:032x}", u128::from_be_bytes(random)))?;
        let lease = folder(&self.home)?.lease(&name)?;
        Ok(own.insert(lease).name().clone())
    }

    /// Returns the name of the lease, if the lease was taken.
    pub(crate) fn taken(&self) -> Option<FileName> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.as_ref().map(|lease| lease.name().clone())
    }

    /// Whether the process that holds the lease of this name is alive.
    pub(crate) fn is_held(&self, name: &FileName) -> Result<bool, PrivateFsError> {
        folder(&self.home)?.is_leased(name)
    }

    /// Removes the lease files of processes that have ended. A lease that is held or being taken
    /// stays, and so do all other files in the folder. A lease without a file counts as free, so
    /// this method need not read the records.
    pub(crate) fn sweep(&self) -> Result<(), PrivateFsError> {
        let folder = folder(&self.home)?;
        for name in folder.list()?.iter().filter(|name| is_ours(name.as_str())) {
            folder.break_lease(name)?;
        }
        Ok(())
    }
}

fn is_ours(name: &str) -> bool {
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name == PREPARING || (name.len() == 32 && name.bytes().all(lower_hex))
}
