//! Reads values that are text in TOML with the parsers of their types.

use std::fmt;
use std::str::FromStr;

use device_key_types::strict_json::Object;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Reads a value with the parser of its type.
pub(crate) fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    Text::deserialize(deserializer).map(|Text(value)| value)
}

/// Reads the value of an optional key that is present.
pub(crate) fn parsed_some<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    parsed(deserializer).map(Some)
}

/// Reads a list in which all values are different.
pub(crate) fn parsed_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display> + PartialEq + fmt::Display,
{
    let mut values = Vec::new();
    for Text(value) in Vec::<Text<T>>::deserialize(deserializer)? {
        if values.contains(&value) {
            return Err(D::Error::custom(format_args!("{value} is listed twice")));
        }
        values.push(value);
    }
    Ok(values)
}

/// Reads a table by its keys. Without this function a derived parser would also accept an array,
/// and read its values by position.
pub(crate) fn table<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Object::deserialize(deserializer).map(|Object(table)| table)
}

struct Text<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refused = |error| D::Error::custom(format_args!("{text:?}: {error}"));
        text.parse().map(Self).map_err(refused)
    }
}
