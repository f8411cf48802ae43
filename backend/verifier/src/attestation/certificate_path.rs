//! Verifies the path from an endorsement certificate to a root by RFC 5280, as webpki implements
//! it: signatures, validity, names, `basicConstraints`, path length, name constraints, unknown
//! critical extensions and revocation.

use std::time::Duration;

use device_key_types::UnixTime;
use rustls_pki_types::{self as pki_types, CertificateDer};
use webpki::{
    ALL_VERIFICATION_ALGS, BorrowedCertRevocationList, CertRevocationList, EndEntityCert, Error,
    ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptions, RevocationOptionsBuilder,
    UnknownStatusPolicy, VerifiedPath,
};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix;

use super::error::CertificateError;
use super::trust_roots::{RevocationPolicy, RootKind, TrustRoots};

/// `tcg-kp-EKCertificate`, 2.23.133.8.1, as the content of a DER object identifier (TCG "EK
/// Credential Profile for TPM Family 2.0", section "Extended Key Usage").
const EK_CERTIFICATE_PURPOSE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];

/// Verifies the path from `leaf` to a root and returns what the root vouches for. `chain` are the
/// certificates that the client sent with the leaf.
pub(super) fn verify(
    leaf: &[u8],
    chain: &[&[u8]],
    roots: &TrustRoots,
    now: UnixTime,
) -> Result<RootKind, CertificateError> {
    let leaf = CertificateDer::from(leaf);
    let end_entity = EndEntityCert::try_from(&leaf).map_err(|error| certificate_error(&error))?;
    let chain = chain.iter().map(|der| CertificateDer::from(*der));
    let intermediates: Vec<_> = roots.intermediates.iter().cloned().chain(chain).collect();
    let lists = roots
        .revocation_lists
        .iter()
        .map(|der| BorrowedCertRevocationList::from_der(der).map(CertRevocationList::from))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| CertificateError::RevocationUnknown)?;
    let lists: Vec<_> = lists.iter().collect();
    if lists.is_empty() && roots.revocation_policy == RevocationPolicy::Everywhere {
        return Err(CertificateError::RevocationUnknown);
    }
    let now = u64::try_from(now.as_seconds()).map_err(|_| CertificateError::NotYetValid)?;
    let path = end_entity
        .verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &roots.anchors,
            &intermediates,
            pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now)),
            // webpki checks the purpose of every certificate on the path, and the issuers'
            // certificates may have no purpose. `endorsement_certificate` checks that the leaf has
            // the purpose.
            KeyUsage::required_if_present(EK_CERTIFICATE_PURPOSE),
            revocation(&lists, roots.revocation_policy),
            Some(&issuers_may_sign),
        )
        .map_err(|error| certificate_error(&error))?;
    roots.kind_of(path.anchor()).ok_or(CertificateError::UnknownIssuer)
}

fn revocation<'a>(
    lists: &'a [&'a CertRevocationList<'a>],
    policy: RevocationPolicy,
) -> Option<RevocationOptions<'a>> {
    let unknown = match policy {
        RevocationPolicy::WhereListed => UnknownStatusPolicy::Allow,
        RevocationPolicy::Everywhere => UnknownStatusPolicy::Deny,
    };
    // The builder fails only if there is no list.
    let builder = RevocationOptionsBuilder::new(lists).ok()?;
    Some(
        builder
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(unknown)
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build(),
    )
}

/// Checks `keyCertSign` of every issuer that has a key usage (RFC 5280, 6.1.4 (n)). webpki checks
/// only `basicConstraints`.
fn issuers_may_sign(path: &VerifiedPath<'_>) -> Result<(), Error> {
    for issuer in path.intermediate_certificates() {
        let certificate = Certificate::from_der(&issuer.der()).map_err(|_| Error::BadDer)?;
        let usage = certificate.tbs_certificate().get_extension::<pkix::KeyUsage>();
        if usage.map_err(|_| Error::BadDer)?.is_some_and(|(_, usage)| !usage.key_cert_sign()) {
            return Err(Error::EndEntityUsedAsCa);
        }
    }
    Ok(())
}

fn certificate_error(error: &Error) -> CertificateError {
    match error {
        Error::UnsupportedCertVersion => CertificateError::Version,
        Error::CertNotValidYet { .. } => CertificateError::NotYetValid,
        Error::CertExpired { .. } => CertificateError::Expired,
        Error::UnknownIssuer => CertificateError::UnknownIssuer,
        Error::InvalidSignatureForPublicKey => CertificateError::Signature,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            CertificateError::SignatureAlgorithm
        }
        Error::CaUsedAsEndEntity => CertificateError::IsAuthority,
        Error::EndEntityUsedAsCa => CertificateError::IssuerNotAuthority,
        Error::RequiredEkuNotFoundContext(_) => CertificateError::Purpose,
        Error::CertRevoked => CertificateError::Revoked,
        Error::UnknownRevocationStatus => CertificateError::RevocationUnknown,
        Error::CrlExpired { .. } => CertificateError::RevocationListExpired,
        Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            CertificateError::RevocationListSignature
        }
        Error::UnsupportedCriticalExtension => CertificateError::CriticalExtension,
        Error::PathLenConstraintViolated
        | Error::NameConstraintViolation
        | Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => CertificateError::Path,
        _ => CertificateError::Malformed,
    }
}
