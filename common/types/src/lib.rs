//! The vocabulary of device-key: every value that crosses a boundary, parsed into its own type.
//!
//! Each type accepts exactly one spelling. `FromStr` is the only way to parse a value and `Display`
//! writes the same spelling, so a value never needs to be validated again. [`SignPayload`] is a
//! structured statement, and [`SignPayload::signed_bytes`] is the canonical form (RFC 8785) that a
//! key signs. [`Reason`] is the stable code of every refusal.
//!
//! The crate has the traits [`Clock`] and [`RandomSource`] and the operating system's
//! implementations of both, [`SystemClock`] and [`OsRandom`]. No parser uses them. Otherwise the
//! crate has no input or output and no async. It has no policy either: parsers ask what a
//! deployment allows through [`payload::StatementPolicy`], which `device-key` implements.
//!
//! ```
//! use device_key_types::{DeviceKeyId, Reason};
//!
//! let id: DeviceKeyId = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".parse()?;
//! assert_eq!(id.to_string(), "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
//! assert_eq!("dk_../../etc/passwd".parse::<DeviceKeyId>(), Err(Reason::InvalidKeyId));
//! # Ok::<(), Reason>(())
//! ```
#![forbid(unsafe_code)]

mod absolute_path;
pub mod attestation;
mod backend_origin;
mod binding;
mod clock;
mod digest;
mod encoding;
mod error_chain;
mod field;
mod key_id;
mod lifetime;
mod nonce;
mod origin;
mod os_protection;
mod path_prefix;
pub mod payload;
mod protection;
mod public_key;
mod random;
mod reason;
mod signature;
pub mod strict_json;
mod target_path;
mod text;
mod time;

pub use absolute_path::{AbsolutePath, InvalidPath, UnixSocketPath};
pub use backend_origin::{BackendOrigin, InvalidBackendOrigin};
pub use binding::Binding;
pub use clock::{Clock, SystemClock};
pub use digest::Sha256Digest;
pub use error_chain::ErrorChain;
pub use field::{Field, FieldError};
pub use key_id::DeviceKeyId;
pub use lifetime::{MAX_LIFETIME_SECONDS, check_expiry};
pub use nonce::Nonce;
pub use origin::{Host, Origin};
pub use os_protection::OsProtectionCondition;
pub use path_prefix::{InvalidPathPrefix, PathPrefix};
pub use payload::SignPayload;
pub use protection::{ProtectionClass, ProtectionPolicy, StorageParentName, TpmKind, UnknownName};
pub use public_key::{InvalidPublicKey, PublicKey};
pub use random::{OsRandom, RandomSource, RandomUnavailable};
pub use reason::Reason;
pub use signature::{InvalidSignature, Signature};
pub use target_path::TargetPath;
pub use text::{AccountUserId, ChallengeId, ClientId, SessionId};
pub use time::UnixTime;

/// The wire name of the one signature algorithm of device keys: ECDSA on P-256 over SHA-256.
pub const ALGORITHM: &str = "ecdsa_p256_sha256";
