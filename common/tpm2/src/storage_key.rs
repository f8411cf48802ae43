//! Finding or making the storage root key, the parent of every device key.
//!
//! The rule that matters: a lookup that failed is not a lookup that found nothing. Only a TPM that says the
//! handle is empty, or shows another kind of key there, leads to `TPM2_CreatePrimary`.

use std::time::Instant;

use crate::client::{Object, Tpm};
use crate::commands::Hierarchy;
use crate::error::Error;
use crate::handle::Handle;
use crate::response_code::{ResponseClass, ResponseCode};
use crate::structures::{EccP256Public, EccP256Template, Name, PublicArea};

/// The storage root key, ready to be a parent and to salt sessions. Its authValue is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageKey {
    /// Its handle and Name. Compare the Name with the pinned one before using it.
    pub object: Object,
    /// Its public area.
    pub public: EccP256Public,
    /// How long it stays where it is.
    pub residence: Residence,
}

impl StorageKey {
    /// The Name, computed from the public area.
    pub const fn name(&self) -> &Name {
        &self.object.name
    }
}

/// Where the storage root key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residence {
    /// At [`Handle::STORAGE_ROOT_KEY`], over reboots. Not to be flushed.
    Persistent,
    /// Loaded for now, and the same key next time. To be flushed by the caller.
    Transient(WhyTransient),
}

/// Why the storage root key was not made persistent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyTransient {
    /// Another key has the handle; it is somebody's and stays there.
    HandleTaken,
    /// The TPM refused to keep it: owner authorization set, no space, …
    Refused(ResponseCode),
}

/// What is at [`Handle::STORAGE_ROOT_KEY`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// An H-2 style P-256 storage key.
    Found(Box<StorageKey>),
    /// Another object.
    Taken,
    /// Nothing; the TPM said so.
    Missing,
}

/// Looks at [`Handle::STORAGE_ROOT_KEY`] without changing anything.
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

/// Finds the storage root key, or derives it in the owner hierarchy and keeps it where allowed.
///
/// The key that is derived depends on the TPM's seed and the template only, so doing this twice, or in two
/// processes at once, gives one key. A key that another program made persistent without `noDA` is another
/// key, and is used where it is found.
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
    let settled = match why {
        Some(why) => Ok(Settled::Transient(why)),
        None => settle(tpm, made.object.handle, deadline),
    };
    match settled {
        Ok(Settled::Transient(why)) => {
            Ok(StorageKey { residence: Residence::Transient(why), ..made })
        }
        Ok(Settled::Persistent(key)) => {
            tpm.flush(made.object.handle, deadline)?;
            Ok(*key)
        }
        Err(error) => {
            // On a raw TPM the object would stay loaded; the first error says more than a second one.
            let _ = tpm.flush(made.object.handle, deadline);
            Err(error)
        }
    }
}

enum Settled {
    Persistent(Box<StorageKey>),
    Transient(WhyTransient),
}

/// Makes the loaded key persistent where the TPM lets us.
fn settle(tpm: &mut Tpm, loaded: Handle, deadline: Instant) -> Result<Settled, Error> {
    match tpm.evict_control(loaded, Handle::STORAGE_ROOT_KEY, deadline) {
        Ok(()) => {}
        // Somebody was faster: below it shows whether with a key that will do.
        Err(error) if error.class() == Some(ResponseClass::NvDefined) => {}
        Err(Error::Refused { code, .. }) => {
            return Ok(Settled::Transient(WhyTransient::Refused(code)));
        }
        Err(error) => return Err(error),
    }
    Ok(match look_up(tpm, deadline)? {
        Lookup::Found(key) => Settled::Persistent(key),
        Lookup::Taken | Lookup::Missing => Settled::Transient(WhyTransient::HandleTaken),
    })
}
