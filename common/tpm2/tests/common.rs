//! Code that several test files use.

pub(crate) mod attestation;
pub(crate) mod cross_check;
pub(crate) mod keys;
pub(crate) mod swtpm;
