//! Checks the fields of an endorsement certificate: TCG "EK Credential Profile for TPM Family 2.0",
//! section "EK Certificate". The path to a root is checked in `certificate_path`.

use device_key_tpm2::{EndorsementKey, EndorsementPublic};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::error::CertificateError;
use super::tpm_attributes::TpmAttributes;

/// `tcg-kp-EKCertificate` (TCG "EK Credential Profile", section "Extended Key Usage").
const EK_CERTIFICATE_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.8.1");

/// `rsaEncryption` (RFC 8017, appendix C).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-RSAES-OAEP` (RFC 8017, appendix C). Some manufacturers use this identifier because an
/// endorsement key does nothing else.
const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
/// `id-ecPublicKey` (RFC 5480, 2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` (RFC 5480, 2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `secp384r1` (RFC 5480, 2.1.1.1).
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// An endorsement certificate whose fields fulfil the profile. The issuer is not checked here.
pub(super) struct EndorsementCertificate {
    public_key: SubjectPublicKeyInfoOwned,
    usage: KeyUsage,
    attributes: TpmAttributes,
}

/// Returns the certificate at the start of an NV index of the TPM. The index may be larger than the
/// certificate; the bytes after the certificate are ignored, because no signature covers them.
pub(super) fn without_padding(bytes: &[u8]) -> Result<&[u8], CertificateError> {
    let mut reader = SliceReader::new(bytes).map_err(|_| CertificateError::Malformed)?;
    reader.tlv_bytes().map_err(|_| CertificateError::Malformed)
}

impl EndorsementCertificate {
    /// Parses a certificate in DER. No bytes may follow the certificate.
    pub(super) fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        let malformed = |_| CertificateError::Malformed;
        let certificate = Certificate::from_der(der).map_err(malformed)?;
        let fields = certificate.tbs_certificate();
        let (_, purposes) = fields
            .get_extension::<ExtendedKeyUsage>()
            .map_err(malformed)?
            .ok_or(CertificateError::Purpose)?;
        if !purposes.0.contains(&EK_CERTIFICATE_PURPOSE) {
            return Err(CertificateError::Purpose);
        }
        let (_, usage) = fields
            .get_extension::<KeyUsage>()
            .map_err(malformed)?
            .ok_or(CertificateError::KeyUsage)?;
        let (critical, names) = fields
            .get_extension::<SubjectAltName>()
            .map_err(malformed)?
            .ok_or(CertificateError::TpmAttributes)?;
        // RFC 5280, 4.2.1.6: if the subject is empty, the alternative name must be critical.
        if fields.subject().is_empty() && !critical {
            return Err(CertificateError::NameNotCritical);
        }
        let attributes = TpmAttributes::from_names(&names)?;
        Ok(Self { public_key: fields.subject_public_key_info().clone(), usage, attributes })
    }

    /// Returns what the certificate says about the TPM, if it is the certificate of this key.
    pub(super) fn certifies(
        self,
        key: &EndorsementPublic,
    ) -> Result<TpmAttributes, CertificateError> {
        let info = &self.public_key;
        let (usable, same) = match key.key() {
            EndorsementKey::Rsa2048(modulus) => {
                (self.usage.key_encipherment(), is_rsa_2048(info, modulus))
            }
            EndorsementKey::EccP256(point) => {
                (self.usage.key_agreement(), is_point(info, P256, &point.x(), &point.y()))
            }
            EndorsementKey::EccP384(point) => {
                (self.usage.key_agreement(), is_point(info, P384, point.x(), point.y()))
            }
        };
        if !same {
            return Err(CertificateError::OtherKey);
        }
        if !usable {
            return Err(CertificateError::KeyUsage);
        }
        Ok(self.attributes)
    }
}

/// Compares the DER of `RSAPublicKey` (RFC 8017, A.1.1). A modulus of exactly 2048 bits with the
/// exponent 65537 has only one encoding.
fn is_rsa_2048(info: &SubjectPublicKeyInfoOwned, modulus: &[u8; 256]) -> bool {
    let expected = [
        &[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00][..],
        modulus,
        &[0x02, 0x03, 0x01, 0x00, 0x01],
    ]
    .concat();
    [RSA_ENCRYPTION, RSAES_OAEP].contains(&info.algorithm.oid)
        && info.subject_public_key.as_bytes() == Some(&expected)
}

/// Compares an uncompressed point (SEC 1, 2.3.3) on a named curve.
fn is_point(info: &SubjectPublicKeyInfoOwned, curve: ObjectIdentifier, x: &[u8], y: &[u8]) -> bool {
    let parameters = info.algorithm.parameters.as_ref();
    info.algorithm.oid == EC_PUBLIC_KEY
        && parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok()) == Some(curve)
        && info.subject_public_key.as_bytes() == Some(&[&[0x04], x, y].concat())
}
