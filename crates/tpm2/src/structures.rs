//! The TPM structures that device keys need, parsed into types and built back to the same bytes.

mod attributes;
mod ecc_point;
mod name;
mod private;
mod properties;
mod public;
mod signature;

pub use attributes::ObjectAttributes;
pub use ecc_point::EccPoint;
pub use name::Name;
pub use private::PrivateBlob;
pub use properties::TpmProperties;
pub use public::{EccP256Public, EccP256Template, OtherPublic, PublicArea, Scheme, Symmetric};
pub use signature::EcdsaSignature;

use crate::constants::TAG_HASHCHECK;
use crate::handle::Handle;
use crate::marshal::{MarshalError, Writer};

/// Writes the null `TPMT_TK_HASHCHECK` (Part 2, 10.7.6): "this digest was not made by the TPM", which an
/// unrestricted key may sign.
pub(crate) fn put_null_hashcheck(writer: &mut Writer) -> Result<(), MarshalError> {
    writer.put_u16(TAG_HASHCHECK)?.put_u32(Handle::NULL.value())?.put_sized(&[])?;
    Ok(())
}
