//! Measures the lookup of a binding in a small and in a large database.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, Result};
use device_key::{CreatedKey, CreatingKey, DeviceKeyBindingStore as _, OwnerUid};
use device_key_private_fs::PrivateDir;
use device_key_state::StateRuntime;
use device_key_types::{
    Binding, DeviceKeyId, ProtectionClass, PublicKey, Sha256Digest, StorageParentName, TpmKind,
    UnixTime,
};
use rusqlite::Connection;
use tokio::runtime::Builder;

use crate::figures::{Figures, Samples};

const MANY: u32 = 1_000_000;
const LOOKUPS: u32 = 20_000;

/// Measures the lookup of a binding in a database with one binding, and with a million.
pub(crate) fn measure(figures: &mut Figures, scratch: &Path) -> Result<()> {
    let few = filled(&scratch.join("one-binding"), 1)?;
    eprintln!("filling a database with {MANY} bindings …");
    let many = filled(&scratch.join("many-bindings"), MANY)?;
    let [mut in_few, mut in_many] = <[Samples; 2]>::default();
    for number in 0..LOOKUPS {
        in_few.push(look_up(&few, 0)?);
        // A stride that is coprime to the count visits rows that are far from each other.
        let row = u64::from(number) * 7_919 % u64::from(MANY);
        in_many.push(look_up(&many, u32::try_from(row)?)?);
    }
    let ratio = in_many.median() / in_few.median();
    figures.add("lookup among 1,000,000 bindings / among one", ratio, 2.5, "x");
    figures.detail("lookup among one", &in_few);
    figures.detail("lookup among 1,000,000", &in_many);
    Ok(())
}

const OWNER: OwnerUid = OwnerUid::new(1000);

fn key_id(number: u32) -> DeviceKeyId {
    // Hashing spreads the ids over the table, as random ids are.
    DeviceKeyId::from_random_bytes(*Sha256Digest::of(&number.to_be_bytes()).as_bytes())
}

fn look_up(state: &StateRuntime, number: u32) -> Result<std::time::Duration> {
    let key_id = key_id(number);
    let start = Instant::now();
    let binding = state.get_binding(&key_id, OWNER)?;
    let elapsed = start.elapsed();
    binding.context("the binding is there")?;
    Ok(elapsed)
}

fn filled(home: &Path, count: u32) -> Result<StateRuntime> {
    let state = StateRuntime::open(&PrivateDir::open_or_create(home)?)?;
    // The base point of P-256 (SP 800-186, section 3.2.1.3).
    let x = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    let y = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let public_key = PublicKey::from_coordinates(&bytes(x)?, &bytes(y)?)?;
    let key = CreatingKey {
        key_id: key_id(0),
        owner: OWNER,
        binding: Binding {
            account_user_id: "user-8f14e45f-ceea-467f-a0e6-000000000000".parse()?,
            client_id: "cli_0123456789".parse()?,
        },
        provider: "tpm",
        protection_class: ProtectionClass::HardwareTpm,
        created_at: UnixTime::from_seconds(1_700_000_000),
    };
    let created = CreatedKey {
        public_key,
        tpm_kind: Some(TpmKind::Physical),
        storage_parent: Some(StorageParentName::from_bytes(&[0; 34])),
    };
    Builder::new_current_thread().build()?.block_on(async {
        state.begin(&key, 1).await?;
        state.complete(&key.key_id, &created, key.created_at).await
    })?;
    copy(state.path(), count)?;
    Ok(state)
}

/// Copies the one binding, under the ids of all others, in one transaction.
fn copy(database: &Path, count: u32) -> Result<()> {
    let mut connection = Connection::open(database)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch("CREATE TEMP TABLE sample AS SELECT * FROM device_key_bindings")?;
    for number in 1..count {
        let key_id = key_id(number).to_string();
        transaction.prepare_cached("UPDATE sample SET key_id = ?1")?.execute([key_id])?;
        let insert = "INSERT INTO device_key_bindings SELECT * FROM sample";
        transaction.prepare_cached(insert)?.execute(())?;
    }
    Ok(transaction.commit()?)
}

fn bytes(hex: &str) -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = hex.get(2 * index..2 * index + 2).context("hex")?;
        *byte = u8::from_str_radix(digits, 16)?;
    }
    Ok(bytes)
}
