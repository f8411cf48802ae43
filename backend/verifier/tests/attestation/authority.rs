//! Certificate authorities for the tests, with the certificates and revocation lists they issue.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use crate::der;

pub(crate) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub(crate) const KEY_USAGE: &str = "2.5.29.15";
pub(crate) const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
pub(crate) const SUBJECT_ALT_NAME: &str = "2.5.29.17";
pub(crate) const EK_CERTIFICATE: &str = "2.23.133.8.1";

const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
/// The content of a key usage: the number of unused bits, then the bits, highest first.
pub(crate) const KEY_ENCIPHERMENT: [u8; 4] = [0x03, 0x02, 0x05, 0x20];
pub(crate) const KEY_AGREEMENT: [u8; 4] = [0x03, 0x02, 0x03, 0x08];
pub(crate) const CERTIFICATE_SIGN: [u8; 4] = [0x03, 0x02, 0x02, 0x04];
pub(crate) const BOTH_SIGN: [u8; 4] = [0x03, 0x02, 0x01, 0x06];

/// The fields of a certificate.
#[derive(Clone)]
pub(crate) struct Certificate {
    /// The explicitly tagged version; empty for version 1.
    pub(crate) version: Vec<u8>,
    pub(crate) serial: u8,
    pub(crate) signature_algorithm: String,
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before: String,
    pub(crate) not_after: String,
    pub(crate) subject: Vec<u8>,
    pub(crate) public_key: Vec<u8>,
    pub(crate) extensions: Vec<(String, bool, Vec<u8>)>,
}

impl Certificate {
    fn new(subject: Vec<u8>, public_key: Vec<u8>) -> Self {
        Self {
            version: der::explicit(0, &der::integer(2)),
            serial: 7,
            signature_algorithm: ECDSA_WITH_SHA256.into(),
            issuer: Vec::new(),
            not_before: "230101000000Z".into(),
            not_after: "330101000000Z".into(),
            subject,
            public_key,
            extensions: Vec::new(),
        }
    }

    /// The certificate of an authority.
    pub(crate) fn authority(name: &str, public_key: Vec<u8>) -> Self {
        Self::new(der::common_name(name), public_key)
            .with(BASIC_CONSTRAINTS, true, &der::sequence(&[&der::TRUE]))
            .with(KEY_USAGE, true, &BOTH_SIGN)
    }

    /// The certificate of an endorsement key, as the profile defines it: the subject is empty, and
    /// the alternative name describes the TPM.
    pub(crate) fn endorsement(public_key: Vec<u8>, usage: &[u8]) -> Self {
        Self::new(der::sequence(&[]), public_key)
            .with(BASIC_CONSTRAINTS, true, &der::sequence(&[]))
            .with(KEY_USAGE, true, usage)
            .with(EXTENDED_KEY_USAGE, false, &der::sequence(&[&der::oid(EK_CERTIFICATE)]))
            .with(SUBJECT_ALT_NAME, true, &tpm_name(&ATTRIBUTES))
    }

    /// Sets this extension, replacing an extension of this kind.
    pub(crate) fn with(mut self, kind: &str, critical: bool, value: &[u8]) -> Self {
        self = self.without(kind);
        self.extensions.push((kind.into(), critical, value.into()));
        self
    }

    pub(crate) fn without(mut self, kind: &str) -> Self {
        self.extensions.retain(|(other, ..)| other != kind);
        self
    }

    /// Changes any field.
    pub(crate) fn changed(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn fields(&self) -> Vec<u8> {
        let extensions: Vec<_> = self
            .extensions
            .iter()
            .flat_map(|(kind, critical, value)| der::extension(kind, *critical, value))
            .collect();
        let extensions = der::explicit(3, &der::sequence(&[&extensions]));
        der::sequence(&[
            &self.version,
            &der::integer(self.serial),
            &der::sequence(&[&der::oid(&self.signature_algorithm)]),
            &self.issuer,
            &der::sequence(&[&der::utc_time(&self.not_before), &der::utc_time(&self.not_after)]),
            &self.subject,
            &self.public_key,
            if self.version.is_empty() { &[] } else { &extensions },
        ])
    }
}

/// The TPM's attributes, each as its kind and the text of its value.
pub(crate) const ATTRIBUTES: [(&str, &str); 3] = [
    ("2.23.133.2.1", "id:49465800"),
    ("2.23.133.2.2", "SLB 9672"),
    ("2.23.133.2.3", "id:000F0017"),
];

/// A subject alternative name with these attributes, each in a set of its own.
pub(crate) fn tpm_name(attributes: &[(&str, &str)]) -> Vec<u8> {
    let attributes: Vec<_> = attributes
        .iter()
        .map(|(kind, text)| der::set(&[&der::attribute(kind, &der::utf8_string(text))]))
        .collect();
    directory_name(&attributes.concat())
}

/// A subject alternative name with one directory name, which consists of these relative names.
pub(crate) fn directory_name(relative_names: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::explicit(4, &der::sequence(&[relative_names]))])
}

/// A certificate authority.
pub(crate) struct Authority {
    common_name: String,
    key: EcdsaKeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { common_name: name.into(), key }
    }

    pub(crate) fn root() -> Self {
        Self::new("Root")
    }

    fn name(&self) -> Vec<u8> {
        der::common_name(&self.common_name)
    }

    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.key.public_key().as_der().unwrap().as_ref().to_vec()
    }

    /// The authority's own certificate, which the authority signs itself.
    pub(crate) fn self_signed(&self) -> Vec<u8> {
        self.issue(Certificate::authority(&self.common_name, self.public_key()))
    }

    /// Signs the certificate's fields under this authority's name.
    pub(crate) fn issue(&self, certificate: Certificate) -> Vec<u8> {
        let certificate = Certificate { issuer: self.name(), ..certificate };
        self.sign(&certificate.fields(), &certificate.signature_algorithm)
    }

    /// Signs a revocation list with these serial numbers.
    pub(crate) fn revoke(&self, serials: &[u8], next_update: &str) -> Vec<u8> {
        let date = der::utc_time("230101000000Z");
        let revoked: Vec<_> = serials
            .iter()
            .flat_map(|serial| der::sequence(&[&der::integer(*serial), &date]))
            .collect();
        let number = der::extension("2.5.29.20", false, &der::integer(1));
        let fields = der::sequence(&[
            &der::integer(1),
            &der::sequence(&[&der::oid(ECDSA_WITH_SHA256)]),
            &self.name(),
            &date,
            &der::utc_time(next_update),
            &if revoked.is_empty() { Vec::new() } else { der::sequence(&[&revoked]) },
            &der::explicit(0, &der::sequence(&[&number])),
        ]);
        self.sign(&fields, ECDSA_WITH_SHA256)
    }

    fn sign(&self, fields: &[u8], algorithm: &str) -> Vec<u8> {
        let signature = self.key.sign(&SystemRandom::new(), fields).unwrap();
        der::sequence(&[
            fields,
            &der::sequence(&[&der::oid(algorithm)]),
            &der::bit_string(signature.as_ref()),
        ])
    }
}
