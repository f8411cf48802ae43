//! Tests against a real swtpm and against stand-ins for what a TPM does badly. swtpm and tpm2-tools must be
//! installed; a test that misses them fails.

#[cfg(test)]
mod attestation;
#[cfg(test)]
mod common;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod device_keys;
#[cfg(test)]
mod nv;
#[cfg(test)]
mod storage_root_key;
#[cfg(test)]
mod tampering;
