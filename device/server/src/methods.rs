//! The methods: the table of what is mounted, and `device/key/*`.

pub(crate) mod admin;
pub(crate) mod attestation;
pub mod audit;
pub(crate) mod device_key;
pub(crate) mod table;
