use device_key_types::{Field, FieldError};

/// Why an attestation was refused. Each check has a variant and a code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationRefusal {
    /// The claim is about another class than a TPM's.
    #[error("the claim is not about a key in a TPM")]
    ProtectionClass,
    /// The challenge is past, or expires too far in the future.
    #[error(transparent)]
    Expiry(#[from] FieldError),
    /// The TPM keeps no certificate: who it is cannot be told. A backend that accepts such a key
    /// calls it [`super::VerifiedKind::Unattested`].
    #[error("there is no endorsement certificate")]
    NoCertificate,
    /// More certificates than a TPM keeps ([`super::MAX_CERTIFICATES`]).
    #[error("there are too many certificates")]
    TooManyCertificates,
    /// The endorsement certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateRefusal),
    /// The endorsement key's public area is not one of the standard templates, bit for bit.
    #[error("the endorsement key is not of a standard template")]
    EndorsementKeyTemplate,
    /// The endorsement key is of another kind than is said.
    #[error("the endorsement key is of another kind than is said")]
    EndorsementKeyKind,
    /// The attestation key's public area cannot be parsed.
    #[error("the attestation key's public area is malformed")]
    AttestationKeyMalformed,
    /// The attestation key's attributes, policy, scheme or curve are not the ones asked for.
    #[error("the attestation key is not of the expected template")]
    AttestationKeyTemplate,
    /// The creation data cannot be parsed.
    #[error("the creation data is malformed")]
    CreationDataMalformed,
    /// The attestation key was not made as a primary key of the endorsement hierarchy.
    #[error("the attestation key was made elsewhere")]
    CreationParent,
    /// What is attested is the creation in other circumstances.
    #[error("the creation data is not what was attested")]
    CreationData,
    /// The device key's public area cannot be parsed.
    #[error("the device key's public area is malformed")]
    DeviceKeyMalformed,
    /// The device key's attributes, policy, scheme or curve are not the ones asked for.
    #[error("the device key is not of the expected template")]
    DeviceKeyTemplate,
    /// The public area is of another key than the claim's.
    #[error("the public area is of another key")]
    OtherDeviceKey,
    /// Not the secret that the credential held.
    #[error("the secret is not the one of the credential")]
    Secret,
    /// A statement of the TPM.
    #[error("{0:?}: {1}")]
    Statement(Statement, #[source] StatementFault),
}

/// The two statements that the attestation key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statement {
    /// Its own creation (`TPM2_CertifyCreation`).
    Creation,
    /// The device key (`TPM2_Certify`).
    Certification,
}

/// What is wrong with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StatementFault {
    /// Not a `TPMT_SIGNATURE` of ECDSA with SHA-256.
    #[error("the signature is malformed, or of another algorithm")]
    SignatureMalformed,
    /// Not the attestation key's signature over these bytes.
    #[error("the signature does not verify")]
    Signature,
    /// Not a `TPMS_ATTEST` that a TPM made, or with bytes behind it.
    #[error("the statement is malformed")]
    Malformed,
    /// About something else.
    #[error("the statement is of another type")]
    Type,
    /// Signed by a key of another name or hierarchy.
    #[error("the statement names another signer")]
    Signer,
    /// Made for another claim: another challenge, key, account, backend, or secret.
    #[error("the statement was made for another claim")]
    ExtraData,
    /// About an object of another Name.
    #[error("the statement is about another object")]
    Name,
}

/// Why an endorsement certificate was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateRefusal {
    /// Not X.509 in DER, or an extension is not what it should be.
    #[error("the certificate is malformed")]
    Malformed,
    /// Not X.509 v3.
    #[error("the certificate is not of version 3")]
    Version,
    /// Its time, or that of one of its issuers, has not come.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Its time, or that of one of its issuers, is over.
    #[error("the certificate has expired")]
    Expired,
    /// No path leads to a root.
    #[error("no trusted root issued the certificate")]
    UnknownIssuer,
    /// A signature on the path does not verify.
    #[error("a signature of the certificate path does not verify")]
    Signature,
    /// A signature on the path is of an algorithm that is not accepted, such as SHA-1.
    #[error("a signature of the certificate path is of an algorithm that is not accepted")]
    SignatureAlgorithm,
    /// It is an authority's (`basicConstraints`).
    #[error("the certificate is an authority's")]
    IsAuthority,
    /// One of its issuers must not issue certificates.
    #[error("an issuer of the certificate is no authority")]
    IssuerNotAuthority,
    /// A path length, a name constraint, or what a path may cost.
    #[error("the certificate path violates a constraint")]
    Path,
    /// A critical extension that is not known.
    #[error("the certificate has an unknown critical extension")]
    CriticalExtension,
    /// A revocation list names it, or one of its issuers.
    #[error("the certificate is revoked")]
    Revoked,
    /// Its issuer, or that of one of its issuers, has no revocation list where one is asked for.
    #[error("there is no revocation list of the issuer")]
    RevocationUnknown,
    /// The issuer's revocation list is past its next update.
    #[error("the revocation list has expired")]
    RevocationListExpired,
    /// The issuer's revocation list is not signed by the issuer, or by one who must not.
    #[error("the revocation list is not signed by the issuer")]
    RevocationListSignature,
    /// It is not for endorsement keys (extended key usage 2.23.133.8.1).
    #[error("the certificate is not for endorsement keys")]
    Purpose,
    /// Its key usage lacks what an endorsement key does: `keyEncipherment` of RSA, `keyAgreement` of
    /// ECC.
    #[error("the key usage does not fit an endorsement key")]
    KeyUsage,
    /// The subject is empty and the subject alternative name is not critical.
    #[error("the only name of the certificate is not critical")]
    NameNotCritical,
    /// The subject alternative name does not give the TPM's manufacturer, model and version once each.
    #[error("the certificate does not say which TPM it is for")]
    TpmAttributes,
    /// It is of another key.
    #[error("the certificate is of another key")]
    OtherKey,
}

impl AttestationRefusal {
    /// The stable code.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::ProtectionClass => "wrong_protection_class",
            Self::Expiry(error) => error.reason.as_str(),
            Self::NoCertificate => "no_certificate",
            Self::TooManyCertificates => "too_many_certificates",
            Self::Certificate(refusal) => refusal.reason(),
            Self::EndorsementKeyTemplate => "endorsement_key_template",
            Self::EndorsementKeyKind => "endorsement_key_kind",
            Self::AttestationKeyMalformed => "attestation_key_malformed",
            Self::AttestationKeyTemplate => "attestation_key_template",
            Self::CreationDataMalformed => "creation_data_malformed",
            Self::CreationParent => "creation_parent",
            Self::CreationData => "creation_data_mismatch",
            Self::DeviceKeyMalformed => "device_key_malformed",
            Self::DeviceKeyTemplate => "device_key_template",
            Self::OtherDeviceKey => "device_key_mismatch",
            Self::Secret => "secret_mismatch",
            Self::Statement(statement, fault) => fault.reason(*statement),
        }
    }

    /// The field of the challenge that was refused, if it was one.
    pub const fn field(&self) -> Option<Field> {
        match self {
            Self::Expiry(error) => Some(error.field),
            _ => None,
        }
    }
}

impl StatementFault {
    const fn reason(self, statement: Statement) -> &'static str {
        match (statement, self) {
            (Statement::Creation, Self::SignatureMalformed) => "creation_signature_malformed",
            (Statement::Creation, Self::Signature) => "creation_signature_invalid",
            (Statement::Creation, Self::Malformed) => "creation_attest_malformed",
            (Statement::Creation, Self::Type) => "creation_attest_type",
            (Statement::Creation, Self::Signer) => "creation_signer_mismatch",
            (Statement::Creation, Self::ExtraData) => "creation_extra_data_mismatch",
            (Statement::Creation, Self::Name) => "creation_name_mismatch",
            (Statement::Certification, Self::SignatureMalformed) => {
                "certification_signature_malformed"
            }
            (Statement::Certification, Self::Signature) => "certification_signature_invalid",
            (Statement::Certification, Self::Malformed) => "certification_attest_malformed",
            (Statement::Certification, Self::Type) => "certification_attest_type",
            (Statement::Certification, Self::Signer) => "certification_signer_mismatch",
            (Statement::Certification, Self::ExtraData) => "certification_extra_data_mismatch",
            (Statement::Certification, Self::Name) => "certification_name_mismatch",
        }
    }
}

impl CertificateRefusal {
    /// The stable code.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "certificate_malformed",
            Self::Version => "certificate_version",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::Expired => "certificate_expired",
            Self::UnknownIssuer => "certificate_issuer_unknown",
            Self::Signature => "certificate_signature_invalid",
            Self::SignatureAlgorithm => "certificate_signature_algorithm",
            Self::IsAuthority => "certificate_is_authority",
            Self::IssuerNotAuthority => "certificate_issuer_not_authority",
            Self::Path => "certificate_path_constraint",
            Self::CriticalExtension => "certificate_critical_extension",
            Self::Revoked => "certificate_revoked",
            Self::RevocationUnknown => "certificate_revocation_unknown",
            Self::RevocationListExpired => "revocation_list_expired",
            Self::RevocationListSignature => "revocation_list_signature_invalid",
            Self::Purpose => "certificate_purpose",
            Self::KeyUsage => "certificate_key_usage",
            Self::NameNotCritical => "certificate_name_not_critical",
            Self::TpmAttributes => "certificate_tpm_attributes",
            Self::OtherKey => "certificate_of_another_key",
        }
    }
}
