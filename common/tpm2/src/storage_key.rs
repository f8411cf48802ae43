//! Finds or makes the storage root key, which is the parent of every device key.
//!
//! A failed lookup must not count as a lookup that found nothing. This module runs
//! `TPM2_CreatePrimary` only if the TPM says that the handle is empty, or if the TPM shows another
//! kind of key there.

use std::time::Instant;

use crate::client::{Object, Tpm};
use crate::commands::Hierarchy;
use crate::error::Error;
use crate::handle::Handle;
use crate::response_code::{ResponseClass, ResponseCode};
use crate::structures::{EccP256Public, EccP256Template, Name, PublicArea};

/// The storage root key. It can be the parent of keys and can salt sessions. Its authValue is
/// empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageKey {
    /// The key's handle and Name. Compare the Name with the one that you pinned before you use the
    /// key.
    pub object: Object,
    /// The key's public area.
    pub public: EccP256Public,
    /// Whether the key is persistent or only loaded.
    pub residence: Residence,
}

impl StorageKey {
    /// The key's Name, computed from its public area.
    pub const fn name(&self) -> &Name {
        &self.object.name
    }
}

/// Whether the storage root key is persistent or only loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residence {
    /// The key is persistent at [`Handle::STORAGE_ROOT_KEY`] and stays there over a reboot. Do not
    /// flush it.
    Persistent,
    /// The key is only loaded, and the caller must flush it. The next call of [`provision`] derives
    /// the same key.
    Transient(WhyTransient),
}

/// Why the storage root key was not made persistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyTransient {
    /// Another key is persistent at the handle. That key belongs to other software and stays there.
    HandleTaken,
    /// The TPM refused to make the key persistent: the owner hierarchy has a password, there is no
    /// space, or another reason that the code tells.
    Refused(ResponseCode),
}

/// What [`look_up`] finds at [`Handle::STORAGE_ROOT_KEY`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A P-256 storage key in the style of the H-2 template.
    Found(Box<StorageKey>),
    /// An object that is not such a storage key.
    Taken,
    /// Nothing. The TPM said that the handle is empty.
    Missing,
}

/// Reads what is at [`Handle::STORAGE_ROOT_KEY`]. Changes nothing.
pub fn look_up(tpm: &mut Tpm, deadline: Instant) -> Result<Lookup, Error> {
    let handle = Handle::STORAGE_ROOT_KEY;
    match tpm.read_public(handle, deadline) {
        Ok(PublicArea::EccP256(public)) if public.template().is_storage_root_key() => {
            Ok(Lookup::Found(Box::new(StorageKey {
                object: Object { handle, name: public.name() },
                public: *public,
                residence: Residence::Persistent,
            })))
        }
        Ok(_) => Ok(Lookup::Taken),
        Err(error) if error.class() == Some(ResponseClass::HandleMissing) => Ok(Lookup::Missing),
        Err(error) => Err(error),
    }
}

/// Finds the storage root key, or derives it in the owner hierarchy and makes it persistent if the
/// TPM allows this.
///
/// The derived key depends only on the TPM's seed and on the template. Two calls, or two processes
/// at once, therefore get the same key. A key that another program made persistent without `noDA`
/// is a different key, and is used where it is found.
pub fn provision(tpm: &mut Tpm, deadline: Instant) -> Result<StorageKey, Error> {
    let why = match look_up(tpm, deadline)? {
        Lookup::Found(key) => return Ok(*key),
        Lookup::Taken => Some(WhyTransient::HandleTaken),
        Lookup::Missing => None,
    };
    let template = EccP256Template::storage_root_key();
    let primary = tpm.create_primary(Hierarchy::Owner, &template, &[], deadline)?;
    let (object, public) = (primary.object, primary.public);
    let made = StorageKey { object, public, residence: Residence::Persistent };
    let placement = match why {
        Some(why) => Ok(Placement::Transient(why)),
        None => make_persistent(tpm, made.object.handle, deadline),
    };
    match placement {
        Ok(Placement::Transient(why)) => {
            Ok(StorageKey { residence: Residence::Transient(why), ..made })
        }
        Ok(Placement::Persistent(key)) => {
            tpm.flush(made.object.handle, deadline)?;
            Ok(*key)
        }
        Err(error) => {
            // On a raw TPM the object would stay loaded. An error of this flush is dropped, because
            // the first error says more.
            let _ = tpm.flush(made.object.handle, deadline);
            Err(error)
        }
    }
}

enum Placement {
    Persistent(Box<StorageKey>),
    Transient(WhyTransient),
}

/// Makes the loaded key persistent if the TPM allows this.
fn make_persistent(tpm: &mut Tpm, loaded: Handle, deadline: Instant) -> Result<Placement, Error> {
    match tpm.evict_control(loaded, Handle::STORAGE_ROOT_KEY, deadline) {
        Ok(()) => {}
        // Another process made a key persistent first. The lookup below shows whether it is a
        // storage root key.
        Err(error) if error.class() == Some(ResponseClass::NvDefined) => {}
        Err(Error::Refused { code, .. }) => {
            return Ok(Placement::Transient(WhyTransient::Refused(code)));
        }
        Err(error) => return Err(error),
    }
    Ok(match look_up(tpm, deadline)? {
        Lookup::Found(key) => Placement::Persistent(key),
        Lookup::Taken | Lookup::Missing => Placement::Transient(WhyTransient::HandleTaken),
    })
}
