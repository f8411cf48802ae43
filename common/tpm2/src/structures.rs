//! The TPM structures that device keys and their attestation need. Each is parsed into a type, and
//! the type gives back the same bytes.

mod attest;
mod attributes;
mod creation;
mod ecc_p384_point;
mod ecc_point;
mod endorsement;
mod name;
mod nv_public;
mod private;
mod properties;
mod public;
mod signature;

pub use attest::{Attest, Attested, ClockInfo};
pub use attributes::ObjectAttributes;
pub use creation::{CreationData, CreationEvidence, CreationTicket, PcrSelection};
pub use ecc_p384_point::EccP384Point;
pub use ecc_point::EccPoint;
pub use endorsement::{EndorsementKey, EndorsementPublic, EndorsementTemplate};
pub use name::Name;
pub use nv_public::NvPublic;
pub use private::PrivateBlob;
pub use properties::TpmProperties;
pub(crate) use public::MAX_PUBLIC;
pub use public::{EccP256Public, EccP256Template, OtherPublic, PublicArea, Scheme, Symmetric};
pub use signature::EcdsaSignature;

use crate::constants::TAG_HASHCHECK;
use crate::handle::Handle;
use crate::marshal::{MarshalError, Writer};

/// Writes the null `TPMT_TK_HASHCHECK` (Part 2, 10.7.6). It says that the TPM did not make this
/// digest. An unrestricted key may sign such a digest.
pub(crate) fn put_null_hashcheck(writer: &mut Writer) -> Result<(), MarshalError> {
    writer.put_u16(TAG_HASHCHECK)?.put_u32(Handle::NULL.value())?.put_sized(&[])?;
    Ok(())
}
