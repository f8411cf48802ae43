//! Converts columns of a record to typed values with the parsers of the types.

use std::str::FromStr;

use device_key::{DeviceKeyBinding, KeyPhase, OwnerUid};
use device_key_private_fs::FileName;
use device_key_types::{Binding, ClientId, DeviceKeyId, PublicKey, StorageParentName, UnixTime};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::error::DatabaseError;

/// The columns of a complete key, in the order in which [`binding`] reads them.
macro_rules! binding_columns {
    () => {
        "account_user_id, client_id, provider, protection_class, tpm_kind, public_key_spki_der, \
         storage_parent_name, created_at, updated_at"
    };
}
pub(crate) use binding_columns;

/// Reads a binding from the columns [`binding_columns`].
pub(crate) fn binding(
    row: &Row<'_>,
    key_id: DeviceKeyId,
    owner: OwnerUid,
) -> Result<DeviceKeyBinding, DatabaseError> {
    let public_key = Column(row, 5, "public_key_spki_der");
    let tpm_kind = Column(row, 4, "tpm_kind");
    let storage_parent = Column(row, 6, "storage_parent_name");
    Ok(DeviceKeyBinding {
        key_id,
        owner,
        binding: Binding {
            account_user_id: Column(row, 0, "account_user_id").parse()?,
            client_id: Column(row, 1, "client_id").parse()?,
        },
        provider: Column(row, 2, "provider").text()?.into(),
        protection_class: Column(row, 3, "protection_class").parse()?,
        tpm_kind: tpm_kind.if_present(Column::parse)?,
        public_key: PublicKey::from_spki_der(public_key.bytes()?)
            .map_err(|_| public_key.damaged())?,
        storage_parent: storage_parent
            .if_present(|column| Ok(StorageParentName::from_bytes(column.bytes()?)))?,
        created_at: Column(row, 7, "created_at").time()?,
        updated_at: Column(row, 8, "updated_at").time()?,
    })
}

/// Whether the key among [`binding_columns`] is of this client, without reading the whole binding.
pub(crate) fn is_of_client(
    row: &Row<'_>,
    client_id: Option<&ClientId>,
) -> Result<bool, DatabaseError> {
    let Some(client_id) = client_id else { return Ok(true) };
    Ok(Column(row, 1, "client_id").text()? == client_id.as_str())
}

/// Reads the column `key_id` at this index.
pub(crate) fn key_id(row: &Row<'_>, index: usize) -> Result<DeviceKeyId, DatabaseError> {
    Column(row, index, "key_id").parse()
}

/// Reads the column `provider` at this index.
pub(crate) fn provider(row: &Row<'_>, index: usize) -> Result<Box<str>, DatabaseError> {
    Ok(Column(row, index, "provider").text()?.into())
}

/// Reads the column `phase` at this index.
pub(crate) fn phase(row: &Row<'_>, index: usize) -> Result<KeyPhase, DatabaseError> {
    Column(row, index, "phase").parse()
}

/// Reads the column `creator_lease` at this index. Only a key that is being created has a lease.
pub(crate) fn creator_lease(
    row: &Row<'_>,
    index: usize,
) -> Result<Option<FileName>, DatabaseError> {
    Column(row, index, "creator_lease").if_present(Column::parse)
}

/// One value of a record: its row and index, and the column name for the error if it does not
/// parse.
#[derive(Clone, Copy)]
struct Column<'row, 'statement>(&'row Row<'statement>, usize, &'static str);

impl<'row> Column<'row, '_> {
    fn damaged(self) -> DatabaseError {
        DatabaseError::Record { column: self.2 }
    }

    fn value(self) -> Result<ValueRef<'row>, DatabaseError> {
        self.0.get_ref(self.1).map_err(|_| self.damaged())
    }

    fn text(self) -> Result<&'row str, DatabaseError> {
        self.value()?.as_str().map_err(|_| self.damaged())
    }

    fn bytes(self) -> Result<&'row [u8], DatabaseError> {
        self.value()?.as_blob().map_err(|_| self.damaged())
    }

    fn time(self) -> Result<UnixTime, DatabaseError> {
        let seconds = self.value()?.as_i64().map_err(|_| self.damaged())?;
        Ok(UnixTime::from_seconds(seconds))
    }

    fn parse<T: FromStr>(self) -> Result<T, DatabaseError> {
        self.text()?.parse().map_err(|_| self.damaged())
    }

    fn if_present<T>(
        self,
        read: impl FnOnce(Self) -> Result<T, DatabaseError>,
    ) -> Result<Option<T>, DatabaseError> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            _ => read(self).map(Some),
        }
    }
}
