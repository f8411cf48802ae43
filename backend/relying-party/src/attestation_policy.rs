//! Decides which devices are enrolled, depending on what could be verified about them.

use std::collections::BTreeSet;
use std::fmt;

use device_key_verifier::attestation::{RootKind, TrustRoots};
use thiserror::Error;

use crate::registry::device::DeviceKind;

/// Whether a device must prove where its key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Requirement {
    /// A device without an attestation is not enrolled.
    Required,
    /// A device without an attestation is enrolled as [`DeviceKind::Unattested`]. A client that has
    /// begun an attestation must still finish it, and a failed attestation enrolls nothing.
    Optional,
}

/// Decides which devices are enrolled.
///
/// A kind of TPM is accepted only if a root can vouch for it. Simulated TPMs are accepted only if
/// the caller names them, because the root of a test setup might be left in a configuration by
/// mistake.
#[derive(Clone)]
pub struct AttestationPolicy {
    roots: TrustRoots,
    requirement: Requirement,
    accepted: BTreeSet<DeviceKind>,
}

/// Settings that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidPolicy {
    /// Attestation is required, and no root can vouch for any device.
    #[error("attestation is required, and there is no trust root of an accepted kind")]
    NothingAccepted,
    /// A kind is accepted, and no root vouches for this kind.
    #[error("{0} is accepted, and no trust root vouches for it")]
    NoRoot(DeviceKind),
    /// A root is trusted, and the kind that it vouches for is not accepted.
    #[error("there is a trust root for {0}, which is not accepted")]
    NotAccepted(DeviceKind),
    /// Unattested devices are accepted, and attestation is required.
    #[error("unattested devices are accepted, and attestation is required")]
    UnattestedAccepted,
    /// Attestation is optional, and unattested devices are not accepted.
    #[error("attestation is optional, and unattested devices are not accepted")]
    UnattestedNotAccepted,
}

impl AttestationPolicy {
    /// Enrolls every device as unattested, and asks for no attestation.
    pub fn without_attestation() -> Self {
        Self {
            roots: TrustRoots::default(),
            requirement: Requirement::Optional,
            accepted: BTreeSet::from([DeviceKind::Unattested]),
        }
    }

    /// Trusts these roots. `kinds` are the kinds that the roots vouch for.
    ///
    /// If `accepted` is `None`, the policy accepts hardware and virtual TPMs that a root vouches
    /// for, and unattested devices if attestation is optional.
    pub fn new(
        requirement: Requirement,
        roots: TrustRoots,
        kinds: &[RootKind],
        accepted: Option<&[DeviceKind]>,
    ) -> Result<Self, InvalidPolicy> {
        let vouched: BTreeSet<_> = kinds.iter().map(|kind| kind_of(*kind)).collect();
        let is_accepted = |kind: DeviceKind| match accepted {
            Some(accepted) => accepted.contains(&kind),
            None => match kind {
                DeviceKind::HardwareTpm | DeviceKind::VirtualTpm => vouched.contains(&kind),
                DeviceKind::SimulatedTpm => false,
                DeviceKind::Unattested => requirement == Requirement::Optional,
            },
        };
        for kind in [DeviceKind::HardwareTpm, DeviceKind::VirtualTpm, DeviceKind::SimulatedTpm] {
            match (is_accepted(kind), vouched.contains(&kind)) {
                (true, false) => return Err(InvalidPolicy::NoRoot(kind)),
                (false, true) => return Err(InvalidPolicy::NotAccepted(kind)),
                (true, true) | (false, false) => {}
            }
        }
        match (requirement, is_accepted(DeviceKind::Unattested)) {
            (Requirement::Required, true) => return Err(InvalidPolicy::UnattestedAccepted),
            (Requirement::Optional, false) => return Err(InvalidPolicy::UnattestedNotAccepted),
            (Requirement::Required, false) if vouched.is_empty() => {
                return Err(InvalidPolicy::NothingAccepted);
            }
            (Requirement::Required, false) | (Requirement::Optional, true) => {}
        }
        let accepted = DeviceKind::ALL.into_iter().filter(|kind| is_accepted(*kind));
        Ok(Self { roots, requirement, accepted: accepted.collect() })
    }

    /// Whether devices must be attested.
    pub const fn requirement(&self) -> Requirement {
        self.requirement
    }

    /// Whether a device of this kind is enrolled.
    pub fn accepts(&self, kind: DeviceKind) -> bool {
        self.accepted.contains(&kind)
    }

    /// Whether devices are asked for an attestation. If no root can vouch for a TPM, they are not
    /// asked, because a TPM's identity should go only to a backend that can use it.
    pub fn requests_attestation(&self) -> bool {
        DeviceKind::ALL.into_iter().any(|kind| kind != DeviceKind::Unattested && self.accepts(kind))
    }

    pub(crate) const fn roots(&self) -> &TrustRoots {
        &self.roots
    }
}

const fn kind_of(root: RootKind) -> DeviceKind {
    match root {
        RootKind::Hardware => DeviceKind::HardwareTpm,
        RootKind::Virtual => DeviceKind::VirtualTpm,
        RootKind::Simulated => DeviceKind::SimulatedTpm,
    }
}

impl fmt::Debug for AttestationPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttestationPolicy")
            .field("requirement", &self.requirement)
            .field("accepted", &self.accepted)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use DeviceKind::{HardwareTpm, SimulatedTpm, Unattested, VirtualTpm};
    use Requirement::{Optional, Required};
    use RootKind::{Hardware, Simulated, Virtual};

    use super::*;

    fn accepted(
        requirement: Requirement,
        kinds: &[RootKind],
        accepted: Option<&[DeviceKind]>,
    ) -> Result<Vec<DeviceKind>, InvalidPolicy> {
        let policy = AttestationPolicy::new(requirement, TrustRoots::default(), kinds, accepted)?;
        Ok(DeviceKind::ALL.into_iter().filter(|kind| policy.accepts(*kind)).collect())
    }

    #[test]
    fn by_default_the_kinds_of_the_roots_are_accepted_except_simulators() {
        assert_eq!(accepted(Required, &[Hardware], None), Ok(vec![HardwareTpm]));
        assert_eq!(
            accepted(Required, &[Virtual, Hardware], None),
            Ok(vec![HardwareTpm, VirtualTpm])
        );
        assert_eq!(accepted(Optional, &[Virtual], None), Ok(vec![VirtualTpm, Unattested]));
        assert_eq!(accepted(Optional, &[], None), Ok(vec![Unattested]));
        let simulated = Err(InvalidPolicy::NotAccepted(SimulatedTpm));
        assert_eq!(accepted(Required, &[Simulated], None), simulated);
        assert_eq!(accepted(Optional, &[Hardware, Simulated], None), simulated);
        let by_name = accepted(Required, &[Simulated], Some(&[SimulatedTpm]));
        assert_eq!(by_name, Ok(vec![SimulatedTpm]));
    }

    #[test]
    fn contradictions_are_refused() {
        let cases: [(_, &[_], Option<&[_]>, _); 7] = [
            (Required, &[], None, InvalidPolicy::NothingAccepted),
            (Required, &[], Some(&[]), InvalidPolicy::NothingAccepted),
            (Required, &[], Some(&[HardwareTpm]), InvalidPolicy::NoRoot(HardwareTpm)),
            (Required, &[Hardware], Some(&[]), InvalidPolicy::NotAccepted(HardwareTpm)),
            (
                Required,
                &[Hardware],
                Some(&[HardwareTpm, Unattested]),
                InvalidPolicy::UnattestedAccepted,
            ),
            (Optional, &[], Some(&[]), InvalidPolicy::UnattestedNotAccepted),
            (Optional, &[Virtual], Some(&[VirtualTpm]), InvalidPolicy::UnattestedNotAccepted),
        ];
        for (requirement, kinds, kinds_accepted, expected) in cases {
            assert_eq!(accepted(requirement, kinds, kinds_accepted), Err(expected));
        }
    }

    #[test]
    fn devices_are_asked_only_for_attestations_that_can_be_used() {
        let policy = |kinds: &[RootKind]| {
            AttestationPolicy::new(Optional, TrustRoots::default(), kinds, None).unwrap()
        };
        assert!(policy(&[Hardware]).requests_attestation());
        assert!(!policy(&[]).requests_attestation());
        assert!(!AttestationPolicy::without_attestation().requests_attestation());
        assert!(AttestationPolicy::without_attestation().accepts(Unattested));
    }
}
