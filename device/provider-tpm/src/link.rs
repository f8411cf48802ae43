//! An open connection to the TPM, with a session and at most one loaded device key.

pub(crate) mod attestation;

use std::time::{Duration, Instant};

use device_key_tpm2::storage_key::{self, Residence, StorageKey};
use device_key_tpm2::{
    AuthValue, AuthorizedObject, EccP256Public, EccP256Template, Error as TpmError, Handle, Object,
    ResponseClass, Session, Tpm, TpmProperties, TransportError,
};
use device_key_types::{DeviceKeyId, OsRandom, PublicKey, Signature, StorageParentName, TpmKind};

use crate::error::OperationError;
use crate::key_file::{Authorization, KeyFile, Parent};
use crate::key_secret::KeySecret;
use crate::kind;
use crate::settings::TpmSettings;

/// How long cleaning up may take. If the TPM does not answer in this time, the remaining objects
/// are flushed on the next connection.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// An open connection: the storage root key, one session, and the key that was used last.
///
/// These take two of the three object slots and one of the three session slots that a TPM must have
/// (PC Client Platform TPM Profile). A persistent parent takes a slot too while a command uses it.
/// A key takes a slot while it is being created, so the key that was used last is unloaded first.
pub(crate) struct Link {
    tpm: Tpm,
    kind: TpmKind,
    parent: StorageKey,
    session: Session,
    loaded: Option<Loaded>,
    /// Objects that are loaded for one step only, and flushed after it.
    temporary: Vec<Handle>,
}

struct Loaded {
    key_id: DeviceKeyId,
    public_key: PublicKey,
    object: Object,
    /// Wiped when the key is flushed.
    auth_value: AuthValue,
}

/// The handles of objects that could not be flushed, because the TPM did not answer. Without a
/// resource manager, these objects would stay in the TPM and use up its slots.
#[derive(Debug, Default)]
pub(crate) struct Leftovers(Vec<Handle>);

impl Leftovers {
    fn flush(&mut self, tpm: &mut Tpm, deadline: Instant) -> Result<(), OperationError> {
        while let Some(handle) = self.0.last() {
            match tpm.flush(*handle, deadline) {
                // A TPM that restarted has lost the object already.
                Ok(()) | Err(TpmError::Refused { .. }) => self.0.pop(),
                Err(error) => return Err(error.into()),
            };
        }
        Ok(())
    }
}

impl Link {
    /// Connects, judges the kind of TPM, finds the storage root key and opens a session.
    pub(crate) fn open(
        settings: &TpmSettings,
        leftovers: &mut Leftovers,
        deadline: Instant,
    ) -> Result<Self, OperationError> {
        if settings.is_surely_simulated() && !settings.allow_simulated {
            return Err(OperationError::Simulated);
        }
        let transport = settings.address.connect(deadline).map_err(TpmError::from)?;
        let mut tpm = Tpm::new(transport, Box::new(OsRandom));
        if !settings.has_resource_manager() {
            // The first command waits until the TPM has finished serving the previous program.
            tpm.startup(deadline).map_err(not_served)?;
            leftovers.flush(&mut tpm, deadline)?;
        }
        let kind = if settings.is_surely_simulated() {
            TpmKind::Simulated
        } else {
            kind::of(&tpm.properties(deadline)?)
        };
        if kind == TpmKind::Simulated && !settings.allow_simulated {
            return Err(OperationError::Simulated);
        }
        match Self::prepare(&mut tpm, deadline) {
            // A killed program left the TPM full. A simulator serves only us at this moment, so
            // no running program uses the objects that are loaded.
            Err(error) if error.is_full() && settings.is_surely_simulated() => {
                tpm.flush_everything(deadline)?;
                Self::prepare(&mut tpm, deadline)
            }
            prepared => prepared,
        }
        .map(|(parent, session)| Self {
            tpm,
            kind,
            parent,
            session,
            loaded: None,
            temporary: Vec::new(),
        })
    }

    fn prepare(tpm: &mut Tpm, deadline: Instant) -> Result<(StorageKey, Session), OperationError> {
        let parent = storage_key::provision(tpm, deadline)?;
        match tpm.start_session(parent.object.handle, &parent.public, deadline) {
            Ok(session) => Ok((parent, session)),
            Err(error) => {
                flush_parent(tpm, &parent);
                Err(error.into())
            }
        }
    }

    pub(crate) fn kind(&self) -> TpmKind {
        self.kind
    }

    pub(crate) fn residence(&self) -> Residence {
        self.parent.residence
    }

    pub(crate) fn parent_name(&self) -> StorageParentName {
        StorageParentName::from_bytes(self.parent.name().as_bytes())
    }

    /// Reads the properties that the TPM reports about itself.
    pub(crate) fn properties(
        &mut self,
        deadline: Instant,
    ) -> Result<TpmProperties, OperationError> {
        Ok(self.tpm.properties(deadline)?)
    }

    /// Checks that the TPM works, by the shortest possible exchange. A TPM in failure mode still
    /// reports its properties (Part 1, section "Failure Mode"), but does not give random bytes.
    pub(crate) fn prove_alive(&mut self, deadline: Instant) -> Result<(), OperationError> {
        self.tpm.get_random(1, deadline)?;
        Ok(())
    }

    /// Creates a key. If there is a secret, the TPM will ask for it before the key signs. The new
    /// key is not loaded, and exists only in the result.
    pub(crate) fn create(
        &mut self,
        secret: Option<&KeySecret>,
        deadline: Instant,
    ) -> Result<KeyFile, OperationError> {
        self.unload(deadline)?;
        let auth_value = auth_value(secret)?;
        let empty = AuthValue::empty();
        let under = AuthorizedObject { object: &self.parent.object, auth_value: &empty };
        let template = EccP256Template::device_key();
        let created =
            self.tpm.create(&mut self.session, under, &template, &auth_value, deadline)?;
        Ok(KeyFile {
            authorization: match secret {
                Some(_) => Authorization::Secret,
                None => Authorization::Empty,
            },
            parent: match self.parent.residence {
                Residence::Persistent => Parent::Persistent,
                Residence::Transient(_) => Parent::OwnerHierarchy,
            },
            public: created.public,
            private: created.private,
        })
    }

    /// Loads a key in place of the key that was used last, and keeps its secret with it.
    pub(crate) fn load(
        &mut self,
        key_id: DeviceKeyId,
        file: &KeyFile,
        secret: Option<&KeySecret>,
        deadline: Instant,
    ) -> Result<(), OperationError> {
        self.unload(deadline)?;
        let auth_value = auth_value(secret)?;
        let public_key = public_key(&file.public)?;
        let empty = AuthValue::empty();
        let under = AuthorizedObject { object: &self.parent.object, auth_value: &empty };
        let object = self
            .tpm
            .load(&mut self.session, under, &file.private, &file.public, deadline)
            .map_err(OperationError::Unloadable)?;
        self.loaded = Some(Loaded { key_id, public_key, object, auth_value });
        Ok(())
    }

    /// Returns the public key of this key, if this key is loaded.
    pub(crate) fn loaded(&self, key_id: &DeviceKeyId) -> Option<&PublicKey> {
        self.loaded.as_ref().filter(|loaded| loaded.key_id == *key_id).map(|key| &key.public_key)
    }

    /// Whether this key is loaded, and was loaded with a secret.
    pub(crate) fn is_loaded_with_secret(&self, key_id: &DeviceKeyId) -> bool {
        self.loaded
            .as_ref()
            .is_some_and(|loaded| loaded.key_id == *key_id && !loaded.auth_value.is_empty())
    }

    /// Signs with the loaded key.
    pub(crate) fn sign(
        &mut self,
        digest: &[u8; 32],
        deadline: Instant,
    ) -> Result<Signature, OperationError> {
        let loaded = self.loaded.as_ref().ok_or(OperationError::OtherKey)?;
        let with = AuthorizedObject { object: &loaded.object, auth_value: &loaded.auth_value };
        let signature =
            self.tpm.sign(&mut self.session, with, digest, deadline).map_err(not_signed)?;
        Ok(Signature::from_scalars(signature.r, signature.s)?)
    }

    /// Flushes the key that was used last.
    pub(crate) fn unload(&mut self, deadline: Instant) -> Result<(), OperationError> {
        match self.loaded.take() {
            Some(loaded) => Ok(self.tpm.flush(loaded.object.handle, deadline)?),
            None => Ok(()),
        }
    }

    /// Flushes all our objects and sessions and ends the connection. Returns the handles that could
    /// not be flushed, because the TPM did not answer.
    ///
    /// On a failed connection this returns at once, because nothing more is sent on it.
    pub(crate) fn close(mut self) -> Leftovers {
        let mut leftovers = Leftovers(vec![self.session.handle()]);
        leftovers.0.append(&mut self.temporary);
        leftovers.0.extend(self.loaded.map(|loaded| loaded.object.handle));
        if let Residence::Transient(_) = self.parent.residence {
            leftovers.0.push(self.parent.object.handle);
        }
        // Handles that cannot be flushed stay in the list.
        let _ = leftovers.flush(&mut self.tpm, Instant::now() + FLUSH_DEADLINE);
        leftovers
    }

    /// Flushes all objects and sessions, including those of other programs, and ends the
    /// connection. This may only be used on a simulator that serves no other program.
    pub(crate) fn flush_everything(mut self, deadline: Instant) -> Result<(), OperationError> {
        self.tpm.flush_everything(deadline)?;
        Ok(())
    }
}

pub(crate) fn public_key(public: &EccP256Public) -> Result<PublicKey, OperationError> {
    Ok(PublicKey::from_coordinates(&public.point().x(), &public.point().y())?)
}

fn auth_value(secret: Option<&KeySecret>) -> Result<AuthValue, OperationError> {
    Ok(match secret {
        Some(secret) => secret.auth_value()?,
        None => AuthValue::empty(),
    })
}

fn not_signed(error: TpmError) -> OperationError {
    match error.class() {
        Some(ResponseClass::Authorization) => OperationError::Unauthorized(error),
        _ => OperationError::Tpm(error),
    }
}

fn flush_parent(tpm: &mut Tpm, parent: &StorageKey) {
    if let Residence::Transient(_) = parent.residence {
        // The connection ends next, so a failure does not matter.
        let _ = tpm.flush(parent.object.handle, Instant::now() + FLUSH_DEADLINE);
    }
}

/// If a new connection gets no answer, the TPM serves another program.
fn not_served(error: TpmError) -> OperationError {
    match error {
        TpmError::Transport(TransportError::TimedOut) => OperationError::NoTurn(error),
        error => OperationError::Tpm(error),
    }
}
