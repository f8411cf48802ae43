//! A small TPM 2.0 command layer in pure Rust, for a service that makes P-256 keys in a TPM, signs
//! with them, and has them attested.
//!
//! The crate has two transports with strict deadlines (the Linux devices, and the Unix socket of a
//! simulator), strict marshalling, salted HMAC sessions with parameter encryption that verify every
//! response, fewer than twenty commands, typed response codes, and a function that finds or makes
//! the storage root key. The parts that a verifier of attestations needs do no I/O: public areas,
//! [`Name`], [`Attest`], [`CreationData`], [`EcdsaSignature`] and the [`kdf`].
//!
//! The crate is not a TSS. It supports policies, NV and RSA only as far as endorsement keys and
//! their certificates need them. It has no PCR commands, no resource manager and no key files, and
//! it repeats a command only when the TPM asks for this.
//!
//! The crate computes every Name itself instead of trusting the Name that the TPM returns. It does
//! not pin keys: the caller must compare the storage root key's [`Name`] with the Name that it
//! stored, because an active interposer on the bus could otherwise put its own key in place of the
//! storage root key. The constants quote the TCG "TPM 2.0 Library", Parts 1 to 3.
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//! use device_key_tpm2::{
//!     AuthValue, AuthorizedObject, EccP256Template, Tpm, TpmAddress, storage_key,
//! };
//! use device_key_types::OsRandom;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let deadline = Instant::now() + Duration::from_secs(5);
//! let address: TpmAddress = "/dev/tpmrm0".parse()?;
//! let mut tpm = Tpm::new(address.connect(deadline)?, Box::new(OsRandom));
//! tpm.startup(deadline)?;
//! let parent = storage_key::provision(&mut tpm, deadline)?;
//! let mut session = tpm.start_session(parent.object.handle, &parent.public, deadline)?;
//!
//! let empty = AuthValue::empty();
//! let under = AuthorizedObject { object: &parent.object, auth_value: &empty };
//! let key = tpm.create(&mut session, under, &EccP256Template::device_key(), &empty, deadline)?;
//! let loaded = tpm.load(&mut session, under, &key.private, &key.public, deadline)?;
//! let with = AuthorizedObject { object: &loaded, auth_value: &empty };
//! let signature = tpm.sign(&mut session, with, &[0x42; 32], deadline)?;
//!
//! tpm.flush(loaded.handle, deadline)?;
//! tpm.flush_session(session, deadline)?;
//! # let _ = signature.to_bytes();
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod address;
mod client;
mod commands;
mod constants;
mod error;
mod frame;
mod handle;
pub mod kdf;
pub mod marshal;
pub mod response_code;
mod session;
pub mod storage_key;
mod structures;
pub mod transport;

pub use address::{AddressError, DevicePath, SocketPath, TpmAddress};
pub use client::{AuthorizedObject, Object, RetryPolicy, Tpm};
pub use commands::{
    Certification, CreatedKey, Credential, EndorsementAuthorization, HandleRange, Hierarchy,
    Primary,
};
pub use constants::CommandCode;
pub use error::Error;
pub use handle::Handle;
pub use kdf::HashAlgorithm;
pub use marshal::MarshalError;
pub use response_code::{ResponseClass, ResponseCode};
pub use session::{AuthValue, PolicySession, Session};
pub use structures::{
    Attest, Attested, ClockInfo, CreationData, CreationEvidence, CreationTicket, EccP256Public,
    EccP256Template, EccP384Point, EccPoint, EcdsaSignature, EndorsementKey, EndorsementPublic,
    EndorsementTemplate, Name, NvPublic, ObjectAttributes, OtherPublic, PcrSelection, PrivateBlob,
    PublicArea, Scheme, Symmetric, TpmProperties,
};
pub use transport::{Transport, TransportError};
