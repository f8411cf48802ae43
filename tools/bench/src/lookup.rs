//! Measures the lookup of a binding in a small and in a large database.

use std::path::Path;

use anyhow::{Context as _, Result};
use device_key::{CreatingKey, DeviceKeyBindingStore as _, DeviceKeyProvider as _, OwnerUid};
use device_key_private_fs::PrivateDir;
use device_key_state::StateRuntime;
use device_key_testing::MemoryProvider;
use device_key_types::{Binding, DeviceKeyId, ProtectionClass, Sha256Digest, UnixTime};
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
        look_up(&few, 0, &mut in_few)?;
        // A stride that is coprime to the count visits rows that are far from each other.
        let row = u64::from(number) * 7_919 % u64::from(MANY);
        look_up(&many, u32::try_from(row)?, &mut in_many)?;
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

fn look_up(state: &StateRuntime, number: u32, samples: &mut Samples) -> Result<()> {
    let key_id = key_id(number);
    let binding = samples.time(|| state.get_binding(&key_id, OWNER))?;
    binding.context("the binding is there").map(drop)
}

fn filled(home: &Path, count: u32) -> Result<StateRuntime> {
    let state = StateRuntime::open(&PrivateDir::open_or_create(home)?)?;
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
    let created = MemoryProvider::hardware().create(&key.key_id)?;
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
