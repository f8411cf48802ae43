//! Tests the provider with a real swtpm. swtpm, tpm2-tools and OpenSSL with its tpm2 provider must
//! be installed. Tests that need a missing program fail.

#[cfg(test)]
mod attestation;
#[cfg(test)]
mod common;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod key_files;
#[cfg(test)]
mod lost_keys;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod residue;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod tools;
