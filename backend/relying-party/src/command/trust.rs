//! Reads the trust roots and the attestation policy from the arguments and files.

use std::fs;
use std::path::Path;

use device_key_relying_party::AttestationPolicy;
use device_key_verifier::attestation::{RevocationPolicy, RootKind, TrustRoots};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::args::{AttestationArguments, ServeArguments};
use crate::failure::Failure;

/// The first byte of a certificate or revocation list in DER, which is a sequence (X.690, 8.9).
const SEQUENCE: u8 = 0x30;

/// Builds the attestation policy from the arguments.
pub(crate) fn policy(arguments: &ServeArguments) -> Result<AttestationPolicy, Failure> {
    let given = &arguments.attestation;
    let kinds: Vec<_> = given.trust_root.iter().map(|root| root.kind).collect();
    let accepted = Some(given.accept.as_slice()).filter(|accepted| !accepted.is_empty());
    AttestationPolicy::new(given.attestation.into(), roots(given)?, &kinds, accepted)
        .map_err(|error| Failure::usage("the attestation options contradict each other", &error))
}

fn roots(given: &AttestationArguments) -> Result<TrustRoots, Failure> {
    let mut roots: Vec<(Vec<u8>, RootKind)> = Vec::new();
    for root in &given.trust_root {
        let certificates = structures::<CertificateDer<'_>>(&root.file)?;
        roots.extend(certificates.into_iter().map(|certificate| (certificate, root.kind)));
    }
    let mut intermediates = Vec::new();
    for file in &given.intermediate {
        intermediates.extend(structures::<CertificateDer<'_>>(file)?);
    }
    let mut lists = Vec::new();
    for file in &given.revocation_list {
        lists.extend(structures::<CertificateRevocationListDer<'_>>(file)?);
    }
    let policy = if given.require_revocation_lists {
        RevocationPolicy::Everywhere
    } else {
        RevocationPolicy::WhereListed
    };
    TrustRoots::new(roots.iter().map(|(der, kind)| (der.as_slice(), *kind)))
        .and_then(|roots| roots.with_intermediates(intermediates.iter().map(Vec::as_slice)))
        .and_then(|roots| roots.with_revocation_lists(lists.iter().map(Vec::as_slice), policy))
        .map_err(|error| Failure::of("cannot use the trust roots", &error))
}

/// Reads a file with one structure in DER, or with one or more structures in PEM (RFC 7468).
/// Structures of another kind in a PEM file are ignored.
fn structures<T: PemObject + AsRef<[u8]>>(file: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let what = format!("cannot use {}", file.display());
    let contents = fs::read(file).map_err(|error| Failure::of(&what, &error))?;
    if contents.first() == Some(&SEQUENCE) {
        return Ok(vec![contents]);
    }
    let found: Result<Vec<_>, _> = T::pem_slice_iter(&contents)
        .map(|found| found.map(|structure| structure.as_ref().to_vec()))
        .collect();
    let found = found.map_err(|error| Failure::of(&what, &error))?;
    if found.is_empty() {
        return Err(Failure::of(&what, &rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}
