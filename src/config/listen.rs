//! How the address of a listener stands in the settings.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

const REMEDY: &str = "write an IP address and a port, as in \"127.0.0.1:8080\" or \"[::1]:8080\", or the absolute path of \
                      a Unix socket, as in \"unix:/run/wesal-gateway/public.sock\"";
const UNIX: &str = "unix:";

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// The absolute path of a Unix socket.
    Unix(PathBuf),
}

/// What is no address to listen at.
#[derive(Debug, thiserror::Error)]
#[error("is not an address to listen at")]
pub struct InvalidListenAddress;

impl ListenAddress {
    /// The longest path that the kernel takes (unix(7)), in bytes, its ending zero not counted.
    const LONGEST_PATH: usize = 107;

    /// The address on the network, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine reaches it. Who may reach a Unix socket, the file system says.
    pub(super) fn is_local(&self) -> bool {
        self.tcp().is_none_or(|address| address.ip().is_loopback())
    }

    /// Whether both can be listened on at once.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(a), Self::Tcp(b)) => {
                let everywhere = a.ip().is_unspecified() || b.ip().is_unspecified();
                a.port() == 0 || a.port() != b.port() || (a.ip() != b.ip() && !everywhere)
            }
            (a, b) => a != b,
        }
    }

    fn unix(path: &Path) -> Option<Self> {
        let fits = path.is_absolute() && path.as_os_str().len() <= Self::LONGEST_PATH && path.file_name().is_some();
        fits.then(|| Self::Unix(path.to_owned()))
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, InvalidListenAddress> {
        let address = match text.strip_prefix(UNIX) {
            Some(path) => Self::unix(Path::new(path)),
            None => text.parse().ok().map(Self::Tcp),
        };
        address.ok_or(InvalidListenAddress)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| D::Error::custom(format!("{error}; {REMEDY}")))
    }
}

/// An address, or nothing for "".
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ListenAddress>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    ListenAddress::deserialize(serde::de::value::StringDeserializer::<D::Error>::new(text)).map(Some)
}

/// Writes what [`optional`] reads.
pub(super) fn show<S: Serializer>(address: &Option<ListenAddress>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_str(""),
    }
}

/// The names of the sockets that the service manager passed to this process (`LISTEN_FDNAMES`, sd_listen_fds(3)),
/// in their order.
pub fn passed_socket_names() -> Vec<String> {
    let names = std::env::var_os("LISTEN_FDNAMES").unwrap_or_default();
    names.to_string_lossy().split(':').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_with_a_port_or_an_absolute_path() {
        for good in ["127.0.0.1:8080", "[::1]:0", "unix:/run/wesal-gateway.sock"] {
            assert_eq!(good.parse::<ListenAddress>().unwrap().to_string(), good);
        }
        let long = format!("unix:/{}", "x".repeat(107));
        for bad in ["", "localhost:8080", ":8080", "unix:", "unix:/", "unix:gateway.sock", "/run/gateway.sock", &long] {
            assert!(bad.parse::<ListenAddress>().is_err(), "{bad:?} was taken");
        }
    }
}
