use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{HumanDuration, ListenAddress, Size, validator::Validator};

/// `[server]`: the public listener, and what one connection to it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to listen at: IP:PORT, where port 0 takes a free one, or `unix:` and the absolute path of a socket, which
    /// this user and its group may then connect to (mode 0660).
    #[schemars(with = "String")]
    pub listen: ListenAddress,
    /// Whether another process may listen at the same addresses too (`SO_REUSEPORT`), so that a new one takes over before
    /// the old one ends. Not otherwise, lest a second gateway that nobody meant takes half of the connections unseen.
    pub reuse_port: bool,
    /// The certificate to serve HTTPS with, HTTP/2 included; left out: plain HTTP/1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// What stands before every mirrored route, such as `/api/v1`: begins with `/`, does not end with it.
    pub base_path: String,
    /// The longest request body that is read, in bytes.
    pub max_body: Size,
    /// How long the headers of a request may take, from their first byte; a TLS handshake; and the silence of a connection
    /// that has asked for nothing yet.
    #[serde(with = "HumanDuration")]
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    #[serde(with = "HumanDuration")]
    pub body_timeout: Duration,
    /// How long a connection may be silent between two requests.
    #[serde(with = "HumanDuration")]
    pub idle_timeout: Duration,
    /// Connections open at once; further ones wait to be accepted.
    pub max_connections: NonZeroUsize,
    /// Networks of proxies that are believed where a request comes from, as in `10.0.0.0/8`: `Forwarded`, or
    /// `X-Forwarded-For`, then counts for `limits.auth_failures`.
    #[schemars(with = "Vec<String>")]
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// How long requests in flight may still take once the process is told to end.
    #[serde(with = "HumanDuration")]
    pub drain_timeout: Duration,
    /// How long connections are still accepted once the process is told to end.
    #[serde(with = "HumanDuration")]
    pub drain_delay: Duration,
}

/// `server.tls`: the certificate of the public listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file with the certificate, followed by its intermediate certificates.
    pub cert_file: PathBuf,
    /// PEM file with its private key.
    pub key_file: PathBuf,
}

/// An address alone is a network of one.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let network = |text: String| {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| D::Error::custom("holds what is no network; write each as in \"10.0.0.0/8\""))
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(network).collect()
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)).into(),
            reuse_port: false,
            tls: None,
            base_path: "/api/v1".to_owned(),
            max_body: Size::from_kib(64),
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_connections: super::at_least_one(10_000),
            trusted_proxies: Vec::new(),
            drain_timeout: Duration::from_secs(30),
            drain_delay: Duration::ZERO,
        }
    }
}

impl ServerConfig {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        let tls = self.tls.iter_mut().flat_map(|tls| [&mut tls.cert_file, &mut tls.key_file]);
        tls.for_each(|file| *file = folder.join(&file));
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        let path = self.base_path.as_str();
        let segments_are_plain = path
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
        let plain = |c: char| c.is_ascii_graphic() && !"{}*?#%\\\"<>^`|".contains(c);
        let reason = "is not a plain path: it begins with '/', does not end with it, and has no {}*?#% or spaces";
        validator.require(
            segments_are_plain && path.chars().all(plain),
            "base_path",
            reason,
            "write it as in \"/api/v1\"",
        );
        validator.require(self.max_body.bytes() > 0, "max_body", "may not be zero", "write a size, as in \"64 KiB\"");
        super::no_zero_durations(
            validator,
            &[
                ("header_timeout", self.header_timeout),
                ("body_timeout", self.body_timeout),
                ("idle_timeout", self.idle_timeout),
            ],
        );
        super::countable(validator, "max_connections", self.max_connections);
    }
}
