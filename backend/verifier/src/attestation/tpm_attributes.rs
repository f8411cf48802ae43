//! Reads what an endorsement certificate says about its TPM.

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Tag, Tagged as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::error::CertificateError;

/// `tcg-at-tpmManufacturer`. This constant and the next two are from TCG "EK Credential Profile for
/// TPM Family 2.0", section "Subject Alternative Name".
const MANUFACTURER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.1");
/// `tcg-at-tpmModel`.
const MODEL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.2");
/// `tcg-at-tpmVersion`.
const VERSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.2.3");

/// The longest attribute, in bytes. Most attributes of names have this limit (RFC 5280,
/// appendix A.1, `ub-common-name`).
const MAX_BYTES: usize = 64;

/// What a certificate says about its TPM. The three attributes are in the subject alternative name,
/// each of them once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TpmAttributes {
    pub(super) manufacturer: Box<str>,
    pub(super) model: Box<str>,
    pub(super) version: Box<str>,
}

impl TpmAttributes {
    pub(super) fn from_names(names: &SubjectAltName) -> Result<Self, CertificateError> {
        let attributes: Vec<&AttributeTypeAndValue> = names
            .0
            .iter()
            .filter_map(|name| match name {
                GeneralName::DirectoryName(name) => Some(name.iter()),
                _ => None,
            })
            .flatten()
            .collect();
        let only = |wanted| {
            let mut found = attributes.iter().filter(|attribute| attribute.oid == wanted);
            match (found.next(), found.next()) {
                (Some(attribute), None) => text(attribute),
                _ => None,
            }
            .ok_or(CertificateError::TpmAttributes)
        };
        let attributes = Self {
            manufacturer: only(MANUFACTURER)?,
            model: only(MODEL)?,
            version: only(VERSION)?,
        };
        if is_vendor_id(&attributes.manufacturer) {
            Ok(attributes)
        } else {
            Err(CertificateError::TpmAttributes)
        }
    }
}

/// Returns a text that can be shown and stored: 1 to 64 bytes without control characters.
fn text(attribute: &AttributeTypeAndValue) -> Option<Box<str>> {
    if ![Tag::Utf8String, Tag::PrintableString].contains(&attribute.value.tag()) {
        return None;
    }
    let text = std::str::from_utf8(attribute.value.value()).ok()?;
    let fits = (1..=MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.into())
}

/// Whether the text is `id:` followed by four bytes of the "TCG Vendor ID Registry" in hexadecimal.
fn is_vendor_id(text: &str) -> bool {
    text.strip_prefix("id:").is_some_and(|digits| {
        digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}
