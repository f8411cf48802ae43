//! A strict check of untrusted JSON.
//!
//! Parsers disagree about duplicate keys, and text that two parsers read differently must not be
//! signed. [`check`] refuses a duplicate key at any depth, nesting beyond [`MAX_DEPTH`], and text
//! that is not exactly one JSON value.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The deepest allowed nesting of arrays and objects. The protocol's own messages need five levels.
pub const MAX_DEPTH: u8 = 64;

/// The keys of an object with up to this many members are compared pairwise, without a hash set.
const PAIRWISE_MEMBERS: usize = 24;

/// Checks that the text is exactly one JSON value, has no duplicate key and is not nested too
/// deeply.
pub fn check(json: &str) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Strict { depth_left: MAX_DEPTH }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// A value that is read only from a JSON object. A derived parser without this wrapper also accepts
/// an array of the members, by position.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapOnly<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for MapOnly<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(MapOnly(PhantomData)).map(Self)
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth_left: u8,
}

impl Strict {
    fn descend<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { depth_left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.descend()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.descend()?;
        let mut seen = SeenKeys::default();
        while let Some(Key(key)) = members.next_key()? {
            if !seen.insert(key) {
                return Err(A::Error::custom("duplicate key"));
            }
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// A key after its escapes were resolved: `"a"` and `"\u0061"` are the same key.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Default)]
struct SeenKeys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> SeenKeys<'a> {
    /// Adds a key. Returns whether the key is new.
    fn insert(&mut self, key: Cow<'a, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < PAIRWISE_MEMBERS {
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, Object, check};

    #[derive(serde::Deserialize)]
    struct One {
        _a: u8,
    }

    #[test]
    fn refuses_duplicate_keys_at_any_depth() {
        for json in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"y":{"b":null,"c":1,"b":null}}]}"#,
        ] {
            assert!(check(json).is_err(), "{json}");
        }
        let distinct: Vec<String> = (0..100).map(|n| format!(r#""k{n}":{n}"#)).collect();
        assert!(check(&format!("{{{}}}", distinct.join(","))).is_ok());
        assert!(check(&format!("{{{},\"k99\":0}}", distinct.join(","))).is_err());
        assert!(check(r#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn refuses_what_is_not_one_value() {
        for json in ["", " ", "{", "1 2", "{}{}", "nul", "[1,]", r#"{"a":"\ud800"}"#] {
            assert!(check(json).is_err(), "{json}");
        }
        for json in ["{}", " [1, -2, 3.5e9, true, null, \"\\n\"] \r\n", "null"] {
            assert!(check(json).is_ok(), "{json}");
        }
    }

    #[test]
    fn bounds_depth() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(&nested(MAX_DEPTH.into())).is_ok());
        assert!(check(&nested(usize::from(MAX_DEPTH) + 1)).is_err());
        assert!(check(&nested(100_000)).is_err());
    }

    #[test]
    fn tells_objects_from_arrays() {
        assert!(serde_json::from_str::<One>("[1]").is_ok(), "a derived parser accepts an array");
        assert!(serde_json::from_str::<Object<One>>("[1]").is_err());
        assert!(serde_json::from_str::<Object<One>>(r#" {"_a":1}"#).is_ok());
    }
}
