use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{duration::HumanDuration, listen::ListenAddress, size::Size, validator::Validator};

/// `[server]`: the public listener, and the bounds of its connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address to listen on: `IP:PORT`, where port 0 selects a free one, or `unix:` and the absolute path of a socket, to
    /// which this user and its group may connect (mode 0660).
    #[schemars(with = "String", example = &"127.0.0.1:8080")]
    pub listen: ListenAddress,
    /// Whether a second process may listen on the same address (`SO_REUSEPORT`), so that a new one can take over before the
    /// old one ends.
    pub reuse_port: bool,
    /// Certificate for HTTPS and HTTP/2; left out: plain HTTP/1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Prefix of every mirrored route: begins with `/` and does not end with it.
    #[schemars(example = &"/api/v1")]
    pub base_path: String,
    /// Largest request body.
    pub max_body: Size,
    /// Time for a request header from its first byte, for a TLS handshake, and until the first request of a connection.
    #[serde(with = "HumanDuration")]
    pub header_timeout: Duration,
    /// Time for a request body.
    #[serde(with = "HumanDuration")]
    pub body_timeout: Duration,
    /// Silence between two requests, and time until a response is read.
    #[serde(with = "HumanDuration")]
    pub idle_timeout: Duration,
    /// Concurrent client connections; further ones wait.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: NonZeroUsize,
    /// Networks of proxies whose `Forwarded` or `X-Forwarded-For` gives the client address for `limits.auth_failures`, such as
    /// `10.0.0.0/8`.
    #[schemars(with = "Vec<String>")]
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Time for requests in flight after SIGTERM.
    #[serde(with = "HumanDuration")]
    pub drain_timeout: Duration,
    /// Time after SIGTERM in which connections are still accepted.
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

/// A single address is a network of one.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let network = |text: String| {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| D::Error::custom("holds an invalid network: write each as in \"10.0.0.0/8\""))
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
            max_connections: NonZeroUsize::new(10_000).unwrap_or(NonZeroUsize::MIN),
            trusted_proxies: Vec::new(),
            drain_timeout: Duration::from_secs(30),
            drain_delay: Duration::ZERO,
        }
    }
}

impl ServerConfig {
    /// Relative paths start from `folder`.
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        let files = self.tls.iter_mut().flat_map(|tls| [&mut tls.cert_file, &mut tls.key_file]);
        files.for_each(|file| *file = folder.join(&file));
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        let path = self.base_path.as_str();
        let is_plain = |c: char| c.is_ascii_graphic() && !"{}*?#%\\\"<>^`|".contains(c);
        let is_valid = path.chars().all(is_plain)
            && path
                .strip_prefix('/')
                .is_some_and(|rest| rest.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
        let reason = "is not a plain path: it begins with '/', does not end with it, and has no {}*?#% or spaces";
        validator.require(is_valid, "base_path", reason, "write it as in \"/api/v1\"");
        validator.require_nonzero(&[
            ("max_body", self.max_body.bytes() == 0),
            ("header_timeout", self.header_timeout.is_zero()),
            ("body_timeout", self.body_timeout.is_zero()),
            ("idle_timeout", self.idle_timeout.is_zero()),
        ]);
    }
}
