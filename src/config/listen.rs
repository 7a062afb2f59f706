use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

const UNIX: &str = "unix:";

/// The address of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddress {
    /// An IP address and a port; port 0 selects a free one.
    Tcp(SocketAddr),
    /// The absolute path of a Unix socket.
    Unix(PathBuf),
}

/// The text is not a listen address.
#[derive(Debug, thiserror::Error)]
#[error("is neither IP:PORT nor \"unix:\" and an absolute path of at most {} bytes", ListenAddress::MAX_PATH)]
pub struct InvalidListenAddress;

impl ListenAddress {
    /// The longest path that the kernel accepts (unix(7)), in bytes, without the final zero.
    const MAX_PATH: usize = 107;

    /// The address on the network, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine reaches it. The file system guards a Unix socket.
    pub(super) fn is_local(&self) -> bool {
        self.tcp().is_none_or(|address| address.ip().is_loopback())
    }

    /// Whether the two cannot be used concurrently.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(a), Self::Tcp(b)) => {
                let is_any = a.ip().is_unspecified() || b.ip().is_unspecified();
                a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || is_any)
            }
            (a, b) => a == b,
        }
    }

    fn unix(path: &Path) -> Option<Self> {
        let fits = path.is_absolute() && path.as_os_str().len() <= Self::MAX_PATH && path.file_name().is_some();
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

impl TryFrom<String> for ListenAddress {
    type Error = InvalidListenAddress;

    fn try_from(text: String) -> Result<Self, InvalidListenAddress> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

/// An optional address; `""` is none. For `#[serde(with = "listen::optional")]`.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::ListenAddress;

    pub(in crate::config) fn deserialize<'de, D>(deserializer: D) -> Result<Option<ListenAddress>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
    }

    pub(in crate::config) fn serialize<S: Serializer>(
        address: &Option<ListenAddress>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => serializer.collect_str(address),
            None => serializer.serialize_str(""),
        }
    }
}

/// The names of the sockets that the service manager passed to this process, in order (`LISTEN_FDNAMES`,
/// sd_listen_fds(3)).
pub fn passed_socket_names() -> Vec<String> {
    let names = std::env::var_os("LISTEN_FDNAMES").unwrap_or_default();
    names.to_string_lossy().split(':').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ip_and_port_or_an_absolute_path() {
        for good in ["127.0.0.1:8080", "[::1]:0", "unix:/run/wesal-gateway.sock"] {
            assert_eq!(good.parse::<ListenAddress>().unwrap().to_string(), good);
        }
        let long = format!("unix:/{}", "x".repeat(107));
        for bad in ["", "localhost:8080", ":8080", "unix:", "unix:/", "unix:gateway.sock", "/run/gateway.sock", &long] {
            assert!(bad.parse::<ListenAddress>().is_err(), "{bad:?} was accepted");
        }
    }
}
