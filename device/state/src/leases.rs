//! Locked files that show which of the creating processes are alive.

use std::sync::{Mutex, PoisonError};

use device_key_private_fs::{FileName, Lease, PrivateDir, PrivateFsError};

use crate::error::DatabaseError;
use crate::names::{LEASES, PREPARING, file_name};

/// The folder of all leases.
pub(crate) fn folder(home: &PrivateDir) -> Result<PrivateDir, PrivateFsError> {
    home.subdir(&file_name(LEASES)?)
}

/// The lease of this runtime, taken when it first begins a key and held until it is dropped.
#[derive(Debug)]
pub(crate) struct Leases {
    home: PrivateDir,
    own: Mutex<Option<Lease>>,
}

impl Leases {
    pub(crate) fn new(home: PrivateDir) -> Self {
        Self { home, own: Mutex::new(None) }
    }

    /// The name under which this runtime lives. It is random and never used twice, so a name in a
    /// record speaks of one holder for ever.
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

    /// The name of the lease, if it was taken.
    pub(crate) fn taken(&self) -> Option<FileName> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.as_ref().map(|lease| lease.name().clone())
    }

    /// Whether the process that wrote this name is alive.
    pub(crate) fn is_held(&self, name: &FileName) -> Result<bool, PrivateFsError> {
        folder(&self.home)?.is_leased(name)
    }

    /// Removes the files of dead processes. A lease that is held, or being taken, stays; so does
    /// everything else in the folder. A lease without a file is free, so records need not be asked.
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
