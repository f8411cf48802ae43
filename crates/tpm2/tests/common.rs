//! What the tests share.

pub(crate) mod cross_check;
pub(crate) mod keys;
pub(crate) mod swtpm;
