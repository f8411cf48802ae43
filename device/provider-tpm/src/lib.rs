//! Device keys in a TPM 2.0: the `hardware_tpm` class.
//!
//! A [`TpmProvider`] makes P-256 keys under the TPM's storage root key and keeps them as TSS2
//! PRIVATE KEY files that only this TPM can load. It talks to `/dev/tpmrm0`, `/dev/tpm0` or, for a
//! simulator, `unix:PATH`, in a salted and encrypted session. Without a resource manager the
//! provider takes turns with other programs: it flushes the TPM and closes the connection when the
//! connection is idle or was open for long.
//!
//! In a service with its own user, each new key also has a secret in a separate folder
//! ([`KeySecrets`]). Without its secret a key still loads, here and in other programs, but does not
//! sign.
//!
//! The provider can also have the TPM attest a key ([`KeyAttestor`](device_key::KeyAttestor)). This
//! uses an attestation key that is derived for this device key only, and an endorsement key that
//! the manufacturer of the TPM certified.
//!
//! The provider knows nothing about accounts, clients or policy. It refuses a simulator unless
//! [`TpmSettings::allow_simulated`] is set. The TPM's statements about its manufacturer are not
//! authenticated, so [`TpmKind`](device_key_types::TpmKind) is a hint; only attestation proves it.
//!
//! ```no_run
//! use device_key_private_fs::PrivateDir;
//! use device_key_provider_tpm::{KeySecrets, TpmProvider, TpmSettings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = PrivateDir::open_or_create("/var/lib/device-key/keys".as_ref())?;
//! let provider =
//!     TpmProvider::new(TpmSettings::at("/dev/tpmrm0".parse()?), folder.subdir(&"tpm".parse()?)?)
//!         .with_secrets(KeySecrets::in_folder(folder.subdir(&"tpm-secrets".parse()?)?));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod attestor;
mod certificate;
mod endorsement;
mod error;
mod key_file;
mod key_secret;
mod key_secrets;
mod kind;
mod link;
mod provider;
mod settings;
mod stored_keys;
mod turns;

pub use device_key_tpm2::{AddressError, TpmAddress};
pub use key_file::{Authorization, InvalidKeyFile, KeyFile, Parent};
pub use key_secrets::KeySecrets;
pub use provider::{PROVIDER_NAME, TpmFacts, TpmProvider};
pub use settings::TpmSettings;
