//! The text fields of statements.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Reason;

/// The longest text field, in bytes of UTF-8.
const MAX_BYTES: usize = 512;

fn parse(text: &str) -> Result<Box<str>, Reason> {
    if text.is_empty() {
        return Err(Reason::EmptyField);
    }
    if text.len() > MAX_BYTES {
        return Err(Reason::FieldTooLong);
    }
    // `char::is_control` tests exactly for the general category Cc.
    if text.chars().any(char::is_control) {
        return Err(Reason::ControlCharacter);
    }
    Ok(text.into())
}

macro_rules! text_value {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        ///
        /// The text has 1 to 512 bytes of UTF-8 without control characters and is compared byte for
        /// byte. `Debug` hides the text, because it may name a person.
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Reason;

            fn from_str(text: &str) -> Result<Self, Reason> {
                parse(text).map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

text_value! {
    /// The account of the person whose machine is controlled, by its name in the backend.
    AccountUserId
}
text_value! {
    /// The client installation that asked for the key.
    ClientId
}
text_value! {
    /// The session that a connection statement opens.
    SessionId
}
text_value! {
    /// The challenge that an enrollment statement answers.
    ChallengeId
}
