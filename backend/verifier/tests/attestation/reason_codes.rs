//! Tests that the reason codes of attestations do not change.

use std::collections::HashSet;

use device_key_types::{Field, FieldError, Reason};
use device_key_verifier::attestation::{
    AttestationError, CertificateError as Certificate, StatementError, TpmStatement,
};

const CERTIFICATE: [(Certificate, &str); 20] = [
    (Certificate::Malformed, "certificate_malformed"),
    (Certificate::Version, "certificate_version"),
    (Certificate::NotYetValid, "certificate_not_yet_valid"),
    (Certificate::Expired, "certificate_expired"),
    (Certificate::UnknownIssuer, "certificate_issuer_unknown"),
    (Certificate::Signature, "certificate_signature_invalid"),
    (Certificate::SignatureAlgorithm, "certificate_signature_algorithm"),
    (Certificate::IsAuthority, "certificate_is_authority"),
    (Certificate::IssuerNotAuthority, "certificate_issuer_not_authority"),
    (Certificate::Path, "certificate_path_constraint"),
    (Certificate::CriticalExtension, "certificate_critical_extension"),
    (Certificate::Revoked, "certificate_revoked"),
    (Certificate::RevocationUnknown, "certificate_revocation_unknown"),
    (Certificate::RevocationListExpired, "revocation_list_expired"),
    (Certificate::RevocationListSignature, "revocation_list_signature_invalid"),
    (Certificate::Purpose, "certificate_purpose"),
    (Certificate::KeyUsage, "certificate_key_usage"),
    (Certificate::NameNotCritical, "certificate_name_not_critical"),
    (Certificate::TpmAttributes, "certificate_tpm_attributes"),
    (Certificate::OtherKey, "certificate_of_another_key"),
];

const OTHERS: [(AttestationError, &str); 14] = [
    (AttestationError::ProtectionClass, "wrong_protection_class"),
    (AttestationError::NoCertificate, "no_certificate"),
    (AttestationError::TooManyCertificates, "too_many_certificates"),
    (AttestationError::EndorsementKeyTemplate, "endorsement_key_template"),
    (AttestationError::EndorsementKeyKind, "endorsement_key_kind"),
    (AttestationError::AttestationKeyMalformed, "attestation_key_malformed"),
    (AttestationError::AttestationKeyTemplate, "attestation_key_template"),
    (AttestationError::CreationDataMalformed, "creation_data_malformed"),
    (AttestationError::CreationParent, "creation_parent"),
    (AttestationError::CreationData, "creation_data_mismatch"),
    (AttestationError::DeviceKeyMalformed, "device_key_malformed"),
    (AttestationError::DeviceKeyTemplate, "device_key_template"),
    (AttestationError::OtherDeviceKey, "device_key_mismatch"),
    (AttestationError::Secret, "secret_mismatch"),
];

const STATEMENT: [(StatementError, &str); 7] = [
    (StatementError::SignatureMalformed, "signature_malformed"),
    (StatementError::Signature, "signature_invalid"),
    (StatementError::Malformed, "attest_malformed"),
    (StatementError::Type, "attest_type"),
    (StatementError::Signer, "signer_mismatch"),
    (StatementError::ExtraData, "extra_data_mismatch"),
    (StatementError::Name, "name_mismatch"),
];

#[test]
fn every_error_has_a_code_of_its_own() {
    let mut seen = HashSet::new();
    for (error, code) in CERTIFICATE {
        assert_eq!(error.reason(), code);
        assert_eq!(AttestationError::from(error).reason(), code);
        assert!(seen.insert(code.to_owned()));
    }
    for (error, code) in OTHERS {
        assert_eq!((error.reason(), error.field()), (code, None));
        assert!(seen.insert(code.to_owned()));
    }
    for (error, code) in STATEMENT {
        for (statement, prefix) in
            [(TpmStatement::Creation, "creation"), (TpmStatement::Certification, "certification")]
        {
            let code = format!("{prefix}_{code}");
            assert_eq!(AttestationError::Statement(statement, error).reason(), code);
            assert!(seen.insert(code));
        }
    }
    let expiry = FieldError { field: Field::ChallengeExpiresAt, reason: Reason::Expired };
    let error = AttestationError::from(expiry);
    assert_eq!((error.reason(), error.field()), ("expired", Some(Field::ChallengeExpiresAt)));
}
