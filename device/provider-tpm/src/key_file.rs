//! The TSS2 PRIVATE KEY format, and the names of files that belong to a key.

use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::pem::{self, LineEnding};
use der::{Decode as _, Encode as _, Sequence};
use device_key_private_fs::{FileName, InvalidFileName};
use device_key_tpm2::{EccP256Public, EccP256Template, MarshalError, PrivateBlob};
use device_key_types::DeviceKeyId;

const LABEL: &str = "TSS2 PRIVATE KEY";
/// `id-loadablekey` (TCG OID registry; draft "ASN.1 Specification for TPM 2.0 Key Files", section
/// 3.1).
const LOADABLE_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.10.1.3");

/// The longest file that is accepted, in bytes. A P-256 key takes about 500 bytes.
pub(crate) const MAX_FILE_BYTES: usize = 4096;

/// A loadable key in the format of other TPM software: a PEM file of `TPMKey` (draft "ASN.1
/// Specification for TPM 2.0 Key Files").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// Whether the use of the key needs a secret.
    pub authorization: Authorization,
    /// Where the parent of the key is found.
    pub parent: Parent,
    /// The public area.
    pub public: EccP256Public,
    /// The private part, encrypted to the parent.
    pub private: PrivateBlob,
}

/// Whether the use of a key needs a secret. The file is not authenticated, but security does not
/// depend on this value: the TPM itself knows whether the key needs a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// The key needs no secret: whoever can load the key can use it.
    Empty,
    /// The key needs a secret, which is not in the file.
    Secret,
}

/// Where the parent of a key is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The parent is at the handle for storage root keys, 0x81000001.
    Persistent,
    /// The parent is derived from the standard template in the owner hierarchy, 0x40000001.
    OwnerHierarchy,
}

/// Why a file is not a key that this software wrote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeyFile {
    /// The file is not PEM, or has another label.
    #[error("the key file is not a TSS2 PRIVATE KEY in PEM")]
    Pem(#[source] pem::Error),
    /// The contents are not the ASN.1 of a loadable key, or have options that our keys do not have.
    #[error("the key file is not a loadable TPM key")]
    Asn1(#[source] der::Error),
    /// The key has a type, parent, authorization, attribute or encoding that our keys do not have.
    #[error("the key file describes a key that this software did not write")]
    Foreign,
    /// The TPM structures in it do not parse.
    #[error("the TPM structures in the key file are damaged")]
    Structure(#[from] MarshalError),
}

#[derive(Sequence)]
struct TpmKey<'a> {
    key_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    empty_auth: Option<bool>,
    parent: u32,
    public: &'a OctetStringRef,
    private: &'a OctetStringRef,
}

impl Authorization {
    /// Returns the field `emptyAuth`. The draft allows leaving the field out if it is false, but
    /// OpenSSL's tpm2 provider reads a missing field as true, and then never asks for the secret.
    const fn empty_auth(self) -> bool {
        match self {
            Self::Empty => true,
            Self::Secret => false,
        }
    }
}

impl Parent {
    const fn handle(self) -> u32 {
        match self {
            Self::Persistent => 0x8100_0001,
            Self::OwnerHierarchy => 0x4000_0001,
        }
    }
}

impl KeyFile {
    /// Writes the file.
    pub fn to_pem(&self) -> Result<String, InvalidKeyFile> {
        let (public, private) = (self.public.to_tpm2b(), self.private.to_tpm2b());
        let key = TpmKey {
            key_type: LOADABLE_KEY,
            empty_auth: Some(self.authorization.empty_auth()),
            parent: self.parent.handle(),
            public: OctetStringRef::new(&public).map_err(InvalidKeyFile::Asn1)?,
            private: OctetStringRef::new(&private).map_err(InvalidKeyFile::Asn1)?,
        };
        let der = key.to_der().map_err(InvalidKeyFile::Asn1)?;
        pem::encode_string(LABEL, LineEnding::LF, &der).map_err(InvalidKeyFile::Pem)
    }

    /// Reads a file that [`KeyFile::to_pem`] wrote.
    pub fn from_pem(bytes: &[u8]) -> Result<Self, InvalidKeyFile> {
        let (label, der) = pem::decode_vec(bytes).map_err(InvalidKeyFile::Pem)?;
        let key = TpmKey::from_der(&der).map_err(InvalidKeyFile::Asn1)?;
        let parent = [Parent::Persistent, Parent::OwnerHierarchy]
            .into_iter()
            .find(|parent| parent.handle() == key.parent)
            .ok_or(InvalidKeyFile::Foreign)?;
        let authorization = [Authorization::Empty, Authorization::Secret]
            .into_iter()
            .find(|authorization| Some(authorization.empty_auth()) == key.empty_auth)
            .ok_or(InvalidKeyFile::Foreign)?;
        if label != LABEL || key.key_type != LOADABLE_KEY {
            return Err(InvalidKeyFile::Foreign);
        }
        let file = Self {
            authorization,
            parent,
            public: EccP256Public::from_tpm2b(key.public.as_bytes())?,
            private: PrivateBlob::from_tpm2b(key.private.as_bytes())?,
        };
        // A key has only one accepted encoding. PEM itself would allow text around the key and
        // other line ends.
        let is_ours = *file.public.template() == EccP256Template::device_key()
            && file.to_pem()?.as_bytes() == bytes;
        if is_ours { Ok(file) } else { Err(InvalidKeyFile::Foreign) }
    }
}

/// Returns the name of a file that belongs to a key.
pub(crate) fn file_name(key_id: &DeviceKeyId, suffix: &str) -> Result<FileName, InvalidFileName> {
    format!("{key_id}{suffix}").parse()
}

/// Returns the key that a file belongs to, or `None` if the name of the file has another form.
pub(crate) fn key_id(file: &FileName, suffix: &str) -> Option<DeviceKeyId> {
    file.as_str().strip_suffix(suffix)?.parse().ok()
}
