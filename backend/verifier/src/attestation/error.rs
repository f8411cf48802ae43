//! Why an attestation is refused.

use device_key_types::{Field, FieldError};

/// Why an attestation was refused. Each check has a variant and a code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// The client claims another protection class than a TPM.
    #[error("the claim is not about a key in a TPM")]
    ProtectionClass,
    /// The challenge has expired, or it expires too far in the future.
    #[error(transparent)]
    Expiry(#[from] FieldError),
    /// The TPM stores no endorsement certificate, so nobody vouches for its identity. A backend
    /// that accepts such a key calls it [`super::VerifiedKind::Unattested`].
    #[error("there is no endorsement certificate")]
    NoCertificate,
    /// There are more certificates than a TPM stores ([`super::MAX_CERTIFICATES`]).
    #[error("there are too many certificates")]
    TooManyCertificates,
    /// The endorsement certificate was refused.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The endorsement key's public area is not, bit for bit, a standard template.
    #[error("the endorsement key is not of a standard template")]
    EndorsementKeyTemplate,
    /// The endorsement key is of another kind than the client says.
    #[error("the endorsement key is of another kind than the client says")]
    EndorsementKeyKind,
    /// The attestation key's public area cannot be parsed.
    #[error("the attestation key's public area is malformed")]
    AttestationKeyMalformed,
    /// The attestation key has other attributes, or another policy, scheme or curve, than required.
    #[error("the attestation key is not of the expected template")]
    AttestationKeyTemplate,
    /// The creation data cannot be parsed.
    #[error("the creation data is malformed")]
    CreationDataMalformed,
    /// The attestation key was not created as a primary key of the endorsement hierarchy.
    #[error("the attestation key was not created in the endorsement hierarchy")]
    CreationParent,
    /// The TPM attested other creation data than the client sent.
    #[error("the creation data is not what the TPM attested")]
    CreationData,
    /// The device key's public area cannot be parsed.
    #[error("the device key's public area is malformed")]
    DeviceKeyMalformed,
    /// The device key has other attributes, or another policy, scheme or curve, than required.
    #[error("the device key is not of the expected template")]
    DeviceKeyTemplate,
    /// The public area belongs to another key than the claimed key.
    #[error("the public area is of another key")]
    OtherDeviceKey,
    /// The client returned another secret than the credential held.
    #[error("the secret is not the secret of the credential")]
    Secret,
    /// A statement that the TPM signed was refused.
    #[error("{0:?}: {1}")]
    Statement(TpmStatement, #[source] StatementError),
}

/// The two statements that the attestation key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TpmStatement {
    /// The creation of the attestation key itself (`TPM2_CertifyCreation`).
    Creation,
    /// The certification of the device key (`TPM2_Certify`).
    Certification,
}

/// Why a statement that the TPM signed was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The signature is not a `TPMT_SIGNATURE` of ECDSA with SHA-256.
    #[error("the signature is malformed, or of another algorithm")]
    SignatureMalformed,
    /// The attestation key did not make the signature over these bytes.
    #[error("the signature does not verify")]
    Signature,
    /// The statement is not a `TPMS_ATTEST` that a TPM produced, or more bytes follow it.
    #[error("the statement is malformed")]
    Malformed,
    /// The statement is of another type (`TPMS_ATTEST.type`).
    #[error("the statement is of another type")]
    Type,
    /// The statement names a signer with another Name, or in another hierarchy.
    #[error("the statement names another signer")]
    Signer,
    /// The statement was made for another claim: another challenge, key, account, backend or
    /// secret.
    #[error("the statement was made for another claim")]
    ExtraData,
    /// The statement is about an object with another Name.
    #[error("the statement is about another object")]
    Name,
}

/// Why an endorsement certificate was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The certificate is not X.509 in DER, or an extension is malformed.
    #[error("the certificate is malformed")]
    Malformed,
    /// The certificate is not X.509 version 3.
    #[error("the certificate is not of version 3")]
    Version,
    /// The certificate, or an issuer's certificate, is not valid yet.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// The certificate, or an issuer's certificate, has expired.
    #[error("the certificate has expired")]
    Expired,
    /// No path leads from the certificate to a trusted root.
    #[error("no trusted root issued the certificate")]
    UnknownIssuer,
    /// A signature on the path does not verify.
    #[error("a signature of the certificate path does not verify")]
    Signature,
    /// A signature on the path uses an algorithm that is not accepted, such as SHA-1.
    #[error("a signature of the certificate path uses an algorithm that is not accepted")]
    SignatureAlgorithm,
    /// The certificate belongs to a certificate authority (`basicConstraints`), not to a key.
    #[error("the certificate belongs to a certificate authority")]
    IsAuthority,
    /// An issuer on the path is not allowed to issue certificates.
    #[error("an issuer of the certificate is not a certificate authority")]
    IssuerNotAuthority,
    /// The path violates a path length or a name constraint, or it is too expensive to verify.
    #[error("the certificate path violates a constraint")]
    Path,
    /// The certificate has a critical extension that the verifier does not know.
    #[error("the certificate has an unknown critical extension")]
    CriticalExtension,
    /// A revocation list names the certificate, or an issuer's certificate.
    #[error("the certificate is revoked")]
    Revoked,
    /// The policy requires a revocation list of every issuer, and an issuer's list is missing.
    #[error("there is no revocation list of the issuer")]
    RevocationUnknown,
    /// The issuer's revocation list is past its next update.
    #[error("the revocation list has expired")]
    RevocationListExpired,
    /// The issuer did not sign the revocation list, or the issuer is not allowed to sign such
    /// lists.
    #[error("the revocation list is not signed by the issuer")]
    RevocationListSignature,
    /// The certificate is not meant for endorsement keys (extended key usage 2.23.133.8.1).
    #[error("the certificate is not for endorsement keys")]
    Purpose,
    /// The key usage lacks what an endorsement key needs: `keyEncipherment` for RSA, `keyAgreement`
    /// for ECC.
    #[error("the key usage does not fit an endorsement key")]
    KeyUsage,
    /// The subject is empty and the subject alternative name is not critical.
    #[error("the only name of the certificate is not critical")]
    NameNotCritical,
    /// The subject alternative name does not give the TPM's manufacturer, model and version
    /// exactly once each.
    #[error("the certificate does not say which TPM it is for")]
    TpmAttributes,
    /// The certificate belongs to another key.
    #[error("the certificate is of another key")]
    OtherKey,
}

impl AttestationError {
    /// The stable code.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::ProtectionClass => "wrong_protection_class",
            Self::Expiry(error) => error.reason.as_str(),
            Self::NoCertificate => "no_certificate",
            Self::TooManyCertificates => "too_many_certificates",
            Self::Certificate(error) => error.reason(),
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
            Self::Statement(statement, error) => error.reason(*statement),
        }
    }

    /// The field of the challenge that was refused, if the error is about a field.
    pub const fn field(&self) -> Option<Field> {
        match self {
            Self::Expiry(error) => Some(error.field),
            _ => None,
        }
    }
}

impl StatementError {
    const fn reason(self, statement: TpmStatement) -> &'static str {
        match (statement, self) {
            (TpmStatement::Creation, Self::SignatureMalformed) => "creation_signature_malformed",
            (TpmStatement::Creation, Self::Signature) => "creation_signature_invalid",
            (TpmStatement::Creation, Self::Malformed) => "creation_attest_malformed",
            (TpmStatement::Creation, Self::Type) => "creation_attest_type",
            (TpmStatement::Creation, Self::Signer) => "creation_signer_mismatch",
            (TpmStatement::Creation, Self::ExtraData) => "creation_extra_data_mismatch",
            (TpmStatement::Creation, Self::Name) => "creation_name_mismatch",
            (TpmStatement::Certification, Self::SignatureMalformed) => {
                "certification_signature_malformed"
            }
            (TpmStatement::Certification, Self::Signature) => "certification_signature_invalid",
            (TpmStatement::Certification, Self::Malformed) => "certification_attest_malformed",
            (TpmStatement::Certification, Self::Type) => "certification_attest_type",
            (TpmStatement::Certification, Self::Signer) => "certification_signer_mismatch",
            (TpmStatement::Certification, Self::ExtraData) => "certification_extra_data_mismatch",
            (TpmStatement::Certification, Self::Name) => "certification_name_mismatch",
        }
    }
}

impl CertificateError {
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
