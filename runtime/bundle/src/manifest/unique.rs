//! Maps from JSON whose names are there once: the last of two would silently win.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

struct Unique<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Unique<V> {
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object whose names are there once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, value)) = access.next_entry::<String, V>()? {
            match map.entry(name) {
                Entry::Vacant(place) => place.insert(value),
                Entry::Occupied(place) => return Err(Error::custom(format!("{:?} is there twice", place.key()))),
            };
        }
        Ok(map)
    }
}

/// Reads a map and refuses one with a name twice.
pub(super) fn unique_names<'de, D, V>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    deserializer.deserialize_map(Unique(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_twice_is_an_error() {
        let read = |text: &str| unique_names::<_, u8>(&mut serde_json::Deserializer::from_str(text));
        assert_eq!(read(r#"{"a": 1, "b": 2}"#).unwrap().len(), 2);
        assert!(read(r#"{"a": 1, "a": 1}"#).unwrap_err().to_string().contains("\"a\" is there twice"));
    }
}
