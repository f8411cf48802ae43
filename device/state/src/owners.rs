//! The queries about all keys of an owner, as blocking methods.

use device_key::{OwnerKeys, OwnerUid};
use device_key_types::UnixTime;

use crate::error::DatabaseError;
use crate::runtime::StateRuntime;

const OWNERS: &str = "\
    SELECT owner_uid, count(*) FROM device_key_bindings \
    WHERE phase = 'ready' AND owner_uid BETWEEN ?1 AND ?2 \
    GROUP BY owner_uid ORDER BY owner_uid LIMIT ?3";

const BEGIN_PURGE: &str = "\
    UPDATE device_key_bindings SET phase = 'deleting', updated_at = ?2 \
    WHERE owner_uid = ?1 AND phase = 'ready'";

impl StateRuntime {
    /// Counts the complete keys of the owners in this range, for so many owners as the limit.
    pub(crate) fn owners_of_keys(
        &self,
        from: OwnerUid,
        to: OwnerUid,
        limit: u32,
    ) -> Result<Vec<OwnerKeys>, DatabaseError> {
        self.read(|connection| {
            let mut owners = connection.prepare_cached(OWNERS)?;
            let rows = owners.query_map((from.as_raw(), to.as_raw(), limit), |row| {
                let keys: i64 = row.get(1)?;
                Ok(OwnerKeys { owner: OwnerUid::new(row.get(0)?), keys: keys.unsigned_abs() })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Hides all complete keys of this owner, and returns how many there were.
    pub(crate) fn begin_purge_of(
        &self,
        owner: OwnerUid,
        now: UnixTime,
    ) -> Result<u64, DatabaseError> {
        let hidden = self.write_to_delete(|transaction| {
            let mut hide = transaction.prepare_cached(BEGIN_PURGE)?;
            Ok(hide.execute((owner.as_raw(), now.as_seconds()))?)
        })?;
        Ok(u64::try_from(hidden).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::params_from_iter;

    use super::*;
    use crate::sample::{home, impatient, raw};

    #[test]
    fn owners_are_found_by_index() {
        let (_scratch, home) = home();
        drop(impatient(&home));
        for (query, parameters) in [(OWNERS, 3), (BEGIN_PURGE, 2)] {
            let parameters = params_from_iter(std::iter::repeat_n(1, parameters));
            let plan: String = raw(&home)
                .query_row(&format!("EXPLAIN QUERY PLAN {query}"), parameters, |row| row.get(3))
                .unwrap();
            assert!(plan.contains("INDEX device_key_bindings_of_"), "{plan}");
        }
    }
}
