//! The columns of each table, and how both stores read them into the records of
//! [`stored`](super::stored).

macro_rules! enrollment_columns {
    () => {
        "challenge_id, nonce, account_user_id, client_id, expires_at, attested_key_id, \
         attested_public_key, credential_secret_sha256, identity"
    };
}

macro_rules! connection_columns {
    () => {
        "token_sha256, session_id, nonce, key_id, account_user_id, client_id, expires_at"
    };
}

macro_rules! device_columns {
    () => {
        "key_id, account_user_id, client_id, public_key_spki_der, protection_class, \
         verified_kind, enrolled_at, revoked_at"
    };
}

/// Reads a record from a row. Each field is in the column of its name, and `$get` is the method of
/// the row that returns a column.
macro_rules! read_record {
    ($row:ident, $get:ident, $record:ident: $($column:ident)*) => {
        $record { $($column: $row.$get(stringify!($column))?),* }
    };
}

pub(crate) use connection_columns;
pub(crate) use device_columns;
pub(crate) use enrollment_columns;
pub(crate) use read_record;
