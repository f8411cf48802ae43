//! Which key providers are used.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A kind of provider, in the order in which `create` tries them: hardware first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProviderName {
    /// The TPM 2.0.
    Tpm,
    /// The provider whose keys are protected by the operating system's boundary between users.
    Os,
}

/// The set of providers that are used, at least one. By default, every provider is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Providers(BTreeSet<ProviderName>);

/// Why a list of names is not a valid set of [`Providers`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProviders {
    /// There is no provider of this name.
    #[error("{0:?} is not a provider; the providers are tpm and os")]
    Unknown(String),
    /// The list is empty. A service without providers could not make keys.
    #[error("the list of providers is empty; name at least one of tpm and os")]
    Empty,
}

impl ProviderName {
    const ALL: [Self; 2] = [Self::Tpm, Self::Os];

    /// The provider's stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tpm => "tpm",
            Self::Os => "os",
        }
    }
}

impl Providers {
    /// Makes a set of these providers, in any order.
    pub fn of(names: impl IntoIterator<Item = ProviderName>) -> Result<Self, InvalidProviders> {
        let names: BTreeSet<_> = names.into_iter().collect();
        if names.is_empty() { Err(InvalidProviders::Empty) } else { Ok(Self(names)) }
    }

    /// Whether this provider is used.
    pub fn contains(&self, name: ProviderName) -> bool {
        self.0.contains(&name)
    }

    /// The providers that are used, hardware first.
    pub fn iter(&self) -> impl Iterator<Item = ProviderName> {
        self.0.iter().copied()
    }
}

impl Default for Providers {
    fn default() -> Self {
        Self(ProviderName::ALL.into())
    }
}

impl FromStr for ProviderName {
    type Err = InvalidProviders;

    fn from_str(text: &str) -> Result<Self, InvalidProviders> {
        let mut all = Self::ALL.into_iter();
        all.find(|name| name.as_str() == text)
            .ok_or_else(|| InvalidProviders::Unknown(text.to_owned()))
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_always_comes_first() {
        use ProviderName::{Os, Tpm};
        assert_eq!(Providers::of([Os, Tpm, Os]).unwrap(), Providers::default());
        assert_eq!(Providers::default().iter().collect::<Vec<_>>(), [Tpm, Os]);
        let narrowed = Providers::of([Os]).unwrap();
        assert!(narrowed.contains(Os) && !narrowed.contains(Tpm));
        assert_eq!(Providers::of([]), Err(InvalidProviders::Empty));
    }

    #[test]
    fn only_the_two_provider_names_are_accepted() {
        for name in ProviderName::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        let unknown = "TPM".parse::<ProviderName>();
        assert_eq!(unknown, Err(InvalidProviders::Unknown("TPM".to_owned())));
    }
}
