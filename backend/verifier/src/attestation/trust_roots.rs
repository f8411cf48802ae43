use std::fmt;

use rustls_pki_types::{CertificateDer, TrustAnchor};
use webpki::{BorrowedCertRevocationList, EndEntityCert, anchor_from_trusted_cert};

/// What a root vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RootKind {
    /// A maker of TPMs in hardware or firmware.
    Hardware,
    /// A cloud or hypervisor, whose TPMs can be copied with the machine that they belong to.
    Virtual,
    /// A simulator's own authority: nothing is protected.
    Simulated,
}

/// Which certificates need a revocation list of their issuer. A certificate that a list names is
/// refused, and so is one whose issuer's list is past its `nextUpdate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationPolicy {
    /// Those whose issuer has a list here; of others nothing is known, and they are accepted.
    #[default]
    WhereListed,
    /// Every certificate below the root.
    Everywhere,
}

/// Whose word about a TPM is taken: root certificates, each with what it vouches for, the
/// intermediates that lead to them, and revocation lists.
///
/// The roots are the backend's choice and trusted as they are: their own validity period and
/// signature are not looked at.
#[derive(Clone, Default)]
pub struct TrustRoots {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// One for each anchor.
    pub(super) kinds: Vec<RootKind>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    /// In DER; each was parsed once.
    pub(super) revocation_lists: Vec<Box<[u8]>>,
    pub(super) revocation_policy: RevocationPolicy,
}

/// A certificate or list that cannot be used, counted from 0 in the order in which they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTrustRoots {
    /// Not an X.509 certificate in DER.
    #[error("root {0} is not a certificate in DER")]
    Root(usize),
    /// The same subject and key as an earlier root, with another kind.
    #[error("root {0} was given before with another kind")]
    Contradiction(usize),
    /// Not an X.509 v3 certificate in DER, or one with critical extensions that are not known.
    #[error("intermediate {0} is not a certificate in DER that can be used")]
    Intermediate(usize),
    /// Not an X.509 v2 revocation list in DER, or one of a kind that cannot be used (delta,
    /// indirect, or partitioned by reason).
    #[error("revocation list {0} is not one in DER that can be used")]
    RevocationList(usize),
}

impl TrustRoots {
    /// Trusts these certificates, in DER, for these kinds of TPM.
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

    /// Adds certificates, in DER, that may stand between a root and a TPM's certificate. They are
    /// not trusted by themselves.
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

    /// Adds revocation lists, in DER. Who signed them is checked where they are used.
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

    /// What the root with this subject and key vouches for.
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
