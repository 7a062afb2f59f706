//! How the address of a listener stands in the settings.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

const REMEDY: &str = "write an IP address and a port, as in \"127.0.0.1:8080\" or \"[::1]:8080\"";

/// An address that must be there.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.starts_with("unix:") {
        return Err(D::Error::custom(format!("names a Unix socket, which is not supported yet; {REMEDY}")));
    }
    text.parse().map_err(|_| D::Error::custom(format!("is not an address to listen at; {REMEDY}")))
}

/// An address, or nothing for "".
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    address(serde::de::value::StringDeserializer::<D::Error>::new(text)).map(Some)
}

/// Writes what [`optional`] reads.
pub(super) fn show<S: Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_str(""),
    }
}
