//! Sample homes, keys and bindings for the tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use device_key::{
    BindingStoreError, CreatedKey, CreatingKey, DeviceKeyBinding, DeviceKeyBindingStore as _,
    OwnerUid, Page,
};
use device_key_private_fs::PrivateDir;
use device_key_types::{
    Binding, DeviceKeyId, ProtectionClass, PublicKey, StorageParentName, TpmKind, UnixTime,
};
use rusqlite::Connection;
use tempfile::{TempDir, tempdir};

use crate::runtime::StateRuntime;

pub(crate) const OWNER: OwnerUid = OwnerUid::new(1000);

/// The base point of P-256 (FIPS 186-5 refers to SP 800-186, section 3.2.1.3) as a public key.
const BASE_POINT: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8\
    bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ece\
    cbb6406837bf51f5";

pub(crate) fn home() -> (TempDir, PrivateDir) {
    let scratch = tempdir().unwrap();
    let home = PrivateDir::open_or_create(&scratch.path().join("home")).unwrap();
    (scratch, home)
}

pub(crate) fn database(home: &PrivateDir) -> PathBuf {
    home.path().join("state.sqlite")
}

/// Opens a runtime whose writes fail at once if another process is writing.
pub(crate) fn impatient(home: &PrivateDir) -> StateRuntime {
    StateRuntime::open_with_timeout(home, Duration::ZERO).unwrap()
}

/// Opens a connection without any of our settings.
pub(crate) fn raw(home: &PrivateDir) -> Connection {
    Connection::open(database(home)).unwrap()
}

pub(crate) fn key_id(number: u8) -> DeviceKeyId {
    DeviceKeyId::from_random_bytes([number; 32])
}

pub(crate) fn public_key() -> PublicKey {
    let digits = (0..BASE_POINT.len()).step_by(2).map(|at| &BASE_POINT[at..at + 2]);
    let der: Vec<u8> = digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect();
    PublicKey::from_spki_der(&der).unwrap()
}

pub(crate) fn creating(number: u8) -> CreatingKey {
    let key = ready(number);
    CreatingKey {
        key_id: key.key_id,
        owner: key.owner,
        binding: key.binding,
        provider: "tpm2",
        protection_class: key.protection_class,
        created_at: key.created_at,
    }
}

pub(crate) fn created() -> CreatedKey {
    let key = ready(0);
    CreatedKey {
        public_key: key.public_key,
        tpm_kind: key.tpm_kind,
        storage_parent: key.storage_parent,
    }
}

pub(crate) fn ready(number: u8) -> DeviceKeyBinding {
    DeviceKeyBinding {
        key_id: key_id(number),
        owner: OWNER,
        binding: Binding {
            account_user_id: "user-Ω".parse().unwrap(),
            client_id: "client".parse().unwrap(),
        },
        provider: "tpm2".into(),
        protection_class: ProtectionClass::HardwareTpm,
        tpm_kind: Some(TpmKind::Physical),
        public_key: public_key(),
        storage_parent: Some(StorageParentName::from_bytes(&[0, 11, 1, 2])),
        created_at: UnixTime::from_seconds(1_700_000_000),
        updated_at: UnixTime::from_seconds(1_700_000_001),
    }
}

/// Records a complete key.
pub(crate) fn put(state: &StateRuntime, key: &DeviceKeyBinding) -> Result<(), BindingStoreError> {
    let begun = CreatingKey {
        key_id: key.key_id,
        owner: key.owner,
        binding: key.binding.clone(),
        created_at: key.created_at,
        ..creating(0)
    };
    let created = CreatedKey {
        public_key: key.public_key.clone(),
        tpm_kind: key.tpm_kind,
        storage_parent: key.storage_parent.clone(),
    };
    block_on(state.begin(&begun, u32::MAX))?;
    block_on(state.complete(&key.key_id, &created, key.updated_at))
}

/// Returns every entry of a folder with its permission bits, sorted.
pub(crate) fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut modes: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
            (entry.file_name().into_string().unwrap(), mode)
        })
        .collect();
    modes.sort();
    modes
}

/// Returns the name of the error's variant. The result must be an error.
pub(crate) fn kind<T>(result: Result<T, BindingStoreError>) -> &'static str {
    result.map_or_else(
        |error| match error {
            BindingStoreError::Conflict => "conflict",
            BindingStoreError::QuotaExceeded => "quota_exceeded",
            BindingStoreError::NotBegun => "not_begun",
            BindingStoreError::Unavailable(_) => "unavailable",
            BindingStoreError::TooNew => "too_new",
            BindingStoreError::Replaced(_) => "replaced",
            BindingStoreError::Damaged(_) => "damaged",
        },
        |_| "ok",
    )
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A page of the keys after this key, of any account and client.
pub(crate) fn page(after: Option<DeviceKeyId>, limit: u32) -> Page {
    Page { account_user_id: None, client_id: None, after, limit }
}
