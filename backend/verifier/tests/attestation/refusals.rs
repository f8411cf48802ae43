//! The codes of refusals, which do not change.

use std::collections::HashSet;

use device_key_types::{Field, FieldError, Reason};
use device_key_verifier::attestation::{
    AttestationRefusal as Refusal, CertificateRefusal as Certificate, Statement, StatementFault,
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

const OTHERS: [(Refusal, &str); 14] = [
    (Refusal::ProtectionClass, "wrong_protection_class"),
    (Refusal::NoCertificate, "no_certificate"),
    (Refusal::TooManyCertificates, "too_many_certificates"),
    (Refusal::EndorsementKeyTemplate, "endorsement_key_template"),
    (Refusal::EndorsementKeyKind, "endorsement_key_kind"),
    (Refusal::AttestationKeyMalformed, "attestation_key_malformed"),
    (Refusal::AttestationKeyTemplate, "attestation_key_template"),
    (Refusal::CreationDataMalformed, "creation_data_malformed"),
    (Refusal::CreationParent, "creation_parent"),
    (Refusal::CreationData, "creation_data_mismatch"),
    (Refusal::DeviceKeyMalformed, "device_key_malformed"),
    (Refusal::DeviceKeyTemplate, "device_key_template"),
    (Refusal::OtherDeviceKey, "device_key_mismatch"),
    (Refusal::Secret, "secret_mismatch"),
];

const FAULTS: [(StatementFault, &str); 7] = [
    (StatementFault::SignatureMalformed, "signature_malformed"),
    (StatementFault::Signature, "signature_invalid"),
    (StatementFault::Malformed, "attest_malformed"),
    (StatementFault::Type, "attest_type"),
    (StatementFault::Signer, "signer_mismatch"),
    (StatementFault::ExtraData, "extra_data_mismatch"),
    (StatementFault::Name, "name_mismatch"),
];

#[test]
fn every_refusal_has_a_code_of_its_own() {
    let mut seen = HashSet::new();
    for (refusal, code) in CERTIFICATE {
        assert_eq!(refusal.reason(), code);
        assert_eq!(Refusal::from(refusal).reason(), code);
        assert!(seen.insert(code.to_owned()));
    }
    for (refusal, code) in OTHERS {
        assert_eq!((refusal.reason(), refusal.field()), (code, None));
        assert!(seen.insert(code.to_owned()));
    }
    for (fault, code) in FAULTS {
        for (statement, prefix) in
            [(Statement::Creation, "creation"), (Statement::Certification, "certification")]
        {
            let code = format!("{prefix}_{code}");
            assert_eq!(Refusal::Statement(statement, fault).reason(), code);
            assert!(seen.insert(code));
        }
    }
    let expiry = FieldError { field: Field::ChallengeExpiresAt, reason: Reason::Expired };
    let refusal = Refusal::from(expiry);
    assert_eq!((refusal.reason(), refusal.field()), ("expired", Some(Field::ChallengeExpiresAt)));
}
