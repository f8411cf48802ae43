//! The certificates and revocation lists that a backend trusts.

use std::fmt;

use rustls_pki_types::{CertificateDer, TrustAnchor};
use webpki::{BorrowedCertRevocationList, EndEntityCert, anchor_from_trusted_cert};

/// The kind of TPM that a root vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RootKind {
    /// The root belongs to a manufacturer of TPMs in hardware or firmware.
    Hardware,
    /// The root belongs to a cloud or a hypervisor. Its TPMs can be copied together with their
    /// virtual machines.
    Virtual,
    /// The root belongs to a simulator, which protects nothing.
    Simulated,
}

/// Which certificates must have a revocation list of their issuer. Under either policy a
/// certificate is refused if a list names it, or if its issuer's list is past its `nextUpdate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationPolicy {
    /// A certificate needs no list. If its issuer has no list, the certificate is accepted.
    #[default]
    WhereListed,
    /// Every certificate below the root must have a list.
    Everywhere,
}

/// What a backend trusts: root certificates, each with the kind of TPM that it vouches for, the
/// intermediate certificates below the roots, and revocation lists.
///
/// The backend has chosen the roots, so they are trusted as they are: their own validity
/// periods and signatures are not checked.
#[derive(Clone, Default)]
pub struct TrustRoots {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// The kind of each anchor, in the order of the anchors.
    pub(super) kinds: Vec<RootKind>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    /// The lists in DER. Each of them was parsed once, to check it.
    pub(super) revocation_lists: Vec<Box<[u8]>>,
    pub(super) revocation_policy: RevocationPolicy,
}

/// A certificate or revocation list that cannot be used. The number is the position of the
/// certificate or list in the caller's order, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTrustRoots {
    /// The root is not an X.509 certificate in DER.
    #[error("root {0} is not a certificate in DER")]
    Root(usize),
    /// The root has the subject and the key of an earlier root, but another kind.
    #[error("root {0} was given before with another kind")]
    Contradiction(usize),
    /// The intermediate is not an X.509 v3 certificate in DER, or it has unknown critical
    /// extensions.
    #[error("intermediate {0} is not a usable certificate in DER")]
    Intermediate(usize),
    /// The list is not an X.509 v2 revocation list in DER, or it is of a kind that is not supported
    /// (delta, indirect, or partitioned by reason).
    #[error("revocation list {0} is not a usable revocation list in DER")]
    RevocationList(usize),
}

impl TrustRoots {
    /// Trusts each of these certificates, in DER, to vouch for TPMs of the kind that comes with it.
    pub fn new<'a>(
        roots: impl IntoIterator<Item = (&'a [u8], RootKind)>,
    ) -> Result<Self, InvalidTrustRoots> {
        let mut trust = Self::default();
        for (index, (der, kind)) in roots.into_iter().enumerate() {
            let certificate = CertificateDer::from(der);
            let anchor = anchor_from_trusted_cert(&certificate)
                .map_err(|_| InvalidTrustRoots::Root(index))?
                .to_owned();
            match trust.kind_of(&anchor) {
                Some(known) if known == kind => {}
                Some(_) => return Err(InvalidTrustRoots::Contradiction(index)),
                None => {
                    trust.anchors.push(anchor);
                    trust.kinds.push(kind);
                }
            }
        }
        Ok(trust)
    }

    /// Adds intermediate certificates, in DER, which may lead from a root to a TPM's certificate.
    /// Intermediate certificates are not trusted by themselves.
    pub fn with_intermediates<'a>(
        mut self,
        certificates: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, InvalidTrustRoots> {
        for (index, der) in certificates.into_iter().enumerate() {
            let certificate = CertificateDer::from(der).into_owned();
            EndEntityCert::try_from(&certificate)
                .map_err(|_| InvalidTrustRoots::Intermediate(index))?;
            self.intermediates.push(certificate);
        }
        Ok(self)
    }

    /// Adds revocation lists, in DER, and sets the policy. The signature of a list is checked only
    /// when the list is used.
    pub fn with_revocation_lists<'a>(
        mut self,
        lists: impl IntoIterator<Item = &'a [u8]>,
        policy: RevocationPolicy,
    ) -> Result<Self, InvalidTrustRoots> {
        for (index, der) in lists.into_iter().enumerate() {
            BorrowedCertRevocationList::from_der(der)
                .map_err(|_| InvalidTrustRoots::RevocationList(index))?;
            self.revocation_lists.push(der.into());
        }
        self.revocation_policy = policy;
        Ok(self)
    }

    /// Returns what the root with this subject and this key vouches for.
    pub(super) fn kind_of(&self, anchor: &TrustAnchor<'_>) -> Option<RootKind> {
        let same = |known: &TrustAnchor<'_>| {
            known.subject == anchor.subject
                && known.subject_public_key_info == anchor.subject_public_key_info
        };
        self.anchors.iter().zip(&self.kinds).find_map(|(known, kind)| same(known).then_some(*kind))
    }
}

impl fmt::Debug for TrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustRoots")
            .field("roots", &self.kinds)
            .field("intermediates", &self.intermediates.len())
            .field("revocation_lists", &self.revocation_lists.len())
            .field("revocation_policy", &self.revocation_policy)
            .finish_non_exhaustive()
    }
}
