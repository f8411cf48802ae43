//! What the tests share.

pub(crate) mod attestation;
pub(crate) mod cross_check;
pub(crate) mod keys;
pub(crate) mod swtpm;
