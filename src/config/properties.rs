//! The file's form of `[kafka]`: properties under their own names, and two tables of more.
//!
//! Always holds: a value becomes the text that librdkafka takes. Deliberately not here: which properties there are, and which
//! would break a guarantee.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// `[kafka]`: any librdkafka property, and two tables of more.
#[derive(Default, Serialize)]
pub(super) struct Kafka {
    #[serde(flatten)]
    pub common: Properties,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub consumer: Properties,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub producer: Properties,
}

/// Properties by their names, each with where its value stands.
pub(super) type Properties = BTreeMap<String, Spanned<Property>>;

/// A librdkafka property's value, as the text that librdkafka takes.
#[derive(Clone, Serialize)]
pub(super) struct Property(pub String);

/// By hand: serde's `flatten` would lose where a value stands.
impl<'de> Deserialize<'de> for Kafka {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sections;
        impl<'de> Visitor<'de> for Sections {
            type Value = Kafka;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kafka, A::Error> {
                let mut kafka = Kafka::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "consumer" => kafka.consumer = map.next_value()?,
                        "producer" => kafka.producer = map.next_value()?,
                        _ => {
                            kafka.common.insert(name, map.next_value()?);
                        }
                    }
                }
                Ok(kafka)
            }
        }
        deserializer.deserialize_map(Sections)
    }
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl<'de> Visitor<'de> for Scalar {
            type Value = Property;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, an integer or a boolean")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Property, E> {
                Ok(Property(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Property, E> {
                Ok(Property(number.to_string()))
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Property, E> {
                Ok(Property(flag.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Property, A::Error> {
                Err(de::Error::custom("a property's name holds dots and is quoted, as \"bootstrap.servers\""))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}
