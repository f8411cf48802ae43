//! From an endorsement certificate to a root, by RFC 5280 as webpki implements it: signatures,
//! validity, names, `basicConstraints`, path length, name constraints, unknown critical extensions,
//! revocation.

use std::time::Duration;

use device_key_types::UnixTime;
use rustls_pki_types::{self as pki_types, CertificateDer};
use webpki::{
    ALL_VERIFICATION_ALGS, BorrowedCertRevocationList, CertRevocationList, EndEntityCert, Error,
    ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptions, RevocationOptionsBuilder,
    UnknownStatusPolicy, VerifiedPath,
};
use x509_cert::{Certificate, der::Decode as _, ext::pkix};

use super::{CertificateRefusal, RevocationPolicy, RootKind, TrustRoots};

/// `tcg-kp-EKCertificate`, 2.23.133.8.1, as the content of a DER object identifier (TCG "EK Credential
/// Profile for TPM Family 2.0", section "Extended Key Usage").
const EK_CERTIFICATE_PURPOSE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];

/// Verifies the path from `leaf` to a root and says what that root vouches for. `beside` are
/// certificates that came with the leaf.
pub(super) fn verify(
    leaf: &[u8],
    beside: &[&[u8]],
    roots: &TrustRoots,
    now: UnixTime,
) -> Result<RootKind, CertificateRefusal> {
    let leaf = CertificateDer::from(leaf);
    let end_entity = EndEntityCert::try_from(&leaf).map_err(|error| refusal(&error))?;
    let beside = beside.iter().map(|der| CertificateDer::from(*der));
    let intermediates: Vec<_> = roots.intermediates.iter().cloned().chain(beside).collect();
    let lists = roots
        .revocation_lists
        .iter()
        .map(|der| BorrowedCertRevocationList::from_der(der).map(CertRevocationList::from))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| CertificateRefusal::RevocationUnknown)?;
    let lists: Vec<_> = lists.iter().collect();
    if lists.is_empty() && roots.revocation_policy == RevocationPolicy::Everywhere {
        return Err(CertificateRefusal::RevocationUnknown);
    }
    let now = u64::try_from(now.as_seconds()).map_err(|_| CertificateRefusal::NotYetValid)?;
    let path = end_entity
        .verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &roots.anchors,
            &intermediates,
            pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now)),
            // webpki asks a purpose of the whole path, and issuers of endorsement certificates may
            // have none: that the leaf has one is looked at beside its other fields.
            KeyUsage::required_if_present(EK_CERTIFICATE_PURPOSE),
            revocation(&lists, roots.revocation_policy),
            Some(&issuers_may_sign),
        )
        .map_err(|error| refusal(&error))?;
    roots.kind_of(path.anchor()).ok_or(CertificateRefusal::UnknownIssuer)
}

fn revocation<'a>(
    lists: &'a [&'a CertRevocationList<'a>],
    policy: RevocationPolicy,
) -> Option<RevocationOptions<'a>> {
    let unknown = match policy {
        RevocationPolicy::WhereListed => UnknownStatusPolicy::Allow,
        RevocationPolicy::Everywhere => UnknownStatusPolicy::Deny,
    };
    // An error says that there is no list.
    let builder = RevocationOptionsBuilder::new(lists).ok()?;
    Some(
        builder
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(unknown)
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build(),
    )
}

/// `keyCertSign` of every issuer that has a key usage (RFC 5280, 6.1.4 (n)), which webpki leaves to
/// `basicConstraints`.
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

fn refusal(error: &Error) -> CertificateRefusal {
    match error {
        Error::UnsupportedCertVersion => CertificateRefusal::Version,
        Error::CertNotValidYet { .. } => CertificateRefusal::NotYetValid,
        Error::CertExpired { .. } => CertificateRefusal::Expired,
        Error::UnknownIssuer => CertificateRefusal::UnknownIssuer,
        Error::InvalidSignatureForPublicKey => CertificateRefusal::Signature,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            CertificateRefusal::SignatureAlgorithm
        }
        Error::CaUsedAsEndEntity => CertificateRefusal::IsAuthority,
        Error::EndEntityUsedAsCa => CertificateRefusal::IssuerNotAuthority,
        Error::RequiredEkuNotFoundContext(_) => CertificateRefusal::Purpose,
        Error::CertRevoked => CertificateRefusal::Revoked,
        Error::UnknownRevocationStatus => CertificateRefusal::RevocationUnknown,
        Error::CrlExpired { .. } => CertificateRefusal::RevocationListExpired,
        Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            CertificateRefusal::RevocationListSignature
        }
        Error::UnsupportedCriticalExtension => CertificateRefusal::CriticalExtension,
        Error::PathLenConstraintViolated
        | Error::NameConstraintViolation
        | Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => CertificateRefusal::Path,
        _ => CertificateRefusal::Malformed,
    }
}
