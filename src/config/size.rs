use std::fmt;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A number of bytes; in the settings a text with its unit, such as `64 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(
    description = "a size: a number of bytes with its unit, such as \"64 KiB\" or \"16 MiB\"",
    extend("pattern" = r"^([0-9]+[.]?[0-9]*|[.][0-9]+)\s*([KMGTPEkmgtpe][Ii]?[Bb]?|[Bb])$"),
    extend("examples" = ["64 KiB", "16 MiB", "1 GiB"])
)]
pub struct Size(#[schemars(with = "String")] u64);

impl Size {
    /// A size in bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size in KiB.
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib * 1024)
    }

    /// A size in MiB.
    pub const fn from_mib(mib: u64) -> Self {
        Self::from_kib(mib * 1024)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    /// The largest unit that shows the number exactly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units.into_iter().find(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
        let size = text.parse::<ByteSize>().ok().map(|size| size.as_u64()).filter(|size| has_unit && *size < u64::MAX);
        size.map(Self).ok_or_else(|| D::Error::custom("is not a size"))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::{IntoDeserializer, value::Error};

    use super::*;

    fn read(text: &str) -> Result<Size, Error> {
        Size::deserialize(IntoDeserializer::<Error>::into_deserializer(text))
    }

    #[test]
    fn sizes_need_a_unit_and_round_trip() {
        for (text, bytes) in [("0 B", 0), ("1000 B", 1000), ("64 KiB", 65_536), ("64 MiB", 67_108_864)] {
            assert_eq!(read(text).unwrap().bytes(), bytes);
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert_eq!(read("1.5MiB").unwrap().to_string(), "1536 KiB");
        for bad in ["", "64", "MiB", "-1 MiB", "64 miles", "99999999999 EiB"] {
            assert!(read(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
