use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    breaker::BreakerConfig,
    duration::HumanDuration,
    login::LoginConfig,
    rate::RateLimit,
    secret::{self, Secret},
    size::Size,
    url,
    validator::Validator,
};

/// `[upstream]`: the vendor, the service login, and the bounds of calls.
// It holds secrets: no `Debug`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Address of the vendor's API, without a slash at its end. `https`, unless the host is loopback or `allow_http` is set.
    #[serde(deserialize_with = "without_trailing_slash")]
    #[schemars(with = "String", example = &"https://api.wesal.dev/api/v1")]
    pub base_url: String,
    /// Whether credentials may travel unencrypted to a host other than loopback.
    pub allow_http: bool,
    /// PEM file with the only trusted root certificates; left out: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Value of `X-Client-Id`.
    #[serde(serialize_with = "Secret::mask")]
    pub client_id: Secret,
    /// File that holds the client id.
    #[serde(skip_serializing_if = "secret::mask_shows_path")]
    pub client_id_file: Option<PathBuf>,
    /// Email of the service login.
    #[serde(serialize_with = "Secret::mask")]
    pub email: Secret,
    /// File that holds the email.
    #[serde(skip_serializing_if = "secret::mask_shows_path")]
    pub email_file: Option<PathBuf>,
    /// Password of the service login.
    #[serde(serialize_with = "Secret::mask")]
    pub password: Secret,
    /// File that holds the password.
    #[serde(skip_serializing_if = "secret::mask_shows_path")]
    pub password_file: Option<PathBuf>,
    /// Scheme before the token in `Authorization`; empty: the bare token.
    pub auth_scheme: String,
    /// Life of a token without `exp`; zero: until the vendor refuses it.
    #[serde(with = "HumanDuration")]
    pub token_ttl: Duration,
    /// Time to connect.
    #[serde(with = "HumanDuration")]
    pub connect_timeout: Duration,
    /// Time of one try of a call, connecting included.
    #[serde(with = "HumanDuration")]
    pub try_timeout: Duration,
    /// Time of a call with all its tries.
    #[serde(with = "HumanDuration")]
    pub request_timeout: Duration,
    /// Longest wait of a call for the call budget or a vendor pause, all tries together.
    #[serde(with = "HumanDuration")]
    pub max_wait: Duration,
    /// Largest vendor answer, unpacked.
    pub max_response: Size,
    /// Concurrent connections to the vendor.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: NonZeroUsize,
    /// Longest use of a pooled connection: a change of the vendor's address in DNS is followed within it.
    #[serde(with = "HumanDuration")]
    pub max_connection_age: Duration,
    /// Queue ids in one vendor call.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_queues_per_call: NonZeroUsize,
    /// Largest factor by which `ttl`s grow while the call budget is scarce; 1 turns it off.
    #[schemars(range(min = 1, max = 100))]
    pub max_stretch: f64,
    /// Proxy, as `http://host:port`; the environment's proxy variables are ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://proxy.example.com:3128")]
    pub proxy: Option<String>,
    /// Call budget of the vendor.
    pub rate_limit: RateLimit,
    /// Further tries of a failed call.
    #[schemars(range(max = 2))]
    pub retries: u32,
    /// Share of calls that may be such further tries, from 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub retry_budget: f64,
    /// Undocumented query parameters that are forwarded.
    pub forward_query: Vec<String>,
    /// Undocumented top-level body fields that are forwarded.
    pub forward_fields: Vec<String>,
    /// Circuit breaker.
    pub breaker: BreakerConfig,
    /// The vendor's login.
    pub login: LoginConfig,
}

/// The body fields that the vendor's reference documents.
const DOCUMENTED_FIELDS: [&str; 14] = [
    "queues",
    "interval",
    "partial",
    "extended",
    "companyId",
    "filters",
    "offset",
    "limit",
    "method",
    "email",
    "phone",
    "verifyCode",
    "otp",
    "password",
];

fn without_trailing_slash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| text.trim_end_matches('/').to_owned())
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.wesal.dev/api/v1".to_owned(),
            allow_http: false,
            ca_file: None,
            client_id: Secret::default(),
            client_id_file: None,
            email: Secret::default(),
            email_file: None,
            password: Secret::default(),
            password_file: None,
            auth_scheme: String::new(),
            token_ttl: Duration::ZERO,
            connect_timeout: Duration::from_secs(3),
            try_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(20),
            max_wait: Duration::from_secs(2),
            max_response: Size::from_mib(16),
            max_connections: NonZeroUsize::new(32).unwrap_or(NonZeroUsize::MIN),
            max_connection_age: Duration::from_secs(300),
            max_queues_per_call: NonZeroUsize::new(100).unwrap_or(NonZeroUsize::MIN),
            max_stretch: 3.0,
            proxy: None,
            rate_limit: RateLimit::default_for(240, Duration::from_secs(60), 30),
            retries: 2,
            retry_budget: 0.2,
            forward_query: Vec::new(),
            forward_fields: Vec::new(),
            breaker: BreakerConfig::default(),
            login: LoginConfig::default(),
        }
    }
}

impl UpstreamConfig {
    /// Relative paths start from the configuration file's `folder`.
    pub(super) fn resolve_paths(&mut self, folder: &Path, state_dir: Option<&Path>) {
        self.ca_file = self.ca_file.take().map(|file| folder.join(file));
        self.login.resolve_state_dir(folder, state_dir);
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        url::validate_vendor(&self.base_url, self.allow_http, validator);
        if let Some(proxy) = &self.proxy {
            url::validate_proxy(proxy, validator);
        }
        let is_printable = self.client_id.expose().bytes().all(|byte| byte.is_ascii_graphic());
        let reason = "holds a character that is invalid in a header";
        let remedy = "write the client id as the vendor issued it, without spaces or line ends";
        validator.require_all(is_printable, &["client_id", "client_id_file"], reason, remedy);
        // RFC 9110, section 5.6.2: a scheme is a token.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_scheme = self.auth_scheme.bytes().all(is_token);
        let remedy = "write one word, such as \"Bearer\", or \"\" for the bare token";
        validator.require(is_scheme, "auth_scheme", "is not an authentication scheme", remedy);
        validator.require_nonzero(&[
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("try_timeout", self.try_timeout.is_zero()),
            ("request_timeout", self.request_timeout.is_zero()),
            ("max_connection_age", self.max_connection_age.is_zero()),
            ("max_response", self.max_response.bytes() == 0),
        ]);
        for (inner, short, outer, long) in [
            ("connect_timeout", self.connect_timeout, "try_timeout", self.try_timeout),
            ("try_timeout", self.try_timeout, "request_timeout", self.request_timeout),
        ] {
            let reason = format!("{inner} is longer than {outer}, which includes it");
            let remedy = format!("shorten {inner} or lengthen {outer}");
            validator.require_all(short <= long, &[inner, outer], &reason, &remedy);
        }
        validator.section("rate_limit", |validator| self.rate_limit.validate(validator));
        for (setting, names) in [("forward_query", &self.forward_query), ("forward_fields", &self.forward_fields)] {
            let remedy = "remove it";
            validator.require(!names.iter().any(String::is_empty), setting, "holds an empty name", remedy);
            // A second spelling of a documented field would evade the validation of the first.
            for name in DOCUMENTED_FIELDS.into_iter().filter(|name| names.iter().any(|forwarded| forwarded == name)) {
                let reason = format!("names `{name}`, which the vendor's reference defines");
                validator.require(false, setting, &reason, remedy);
            }
        }
        validator.section("breaker", |validator| self.breaker.validate(validator));
        validator.section("login", |validator| self.login.validate(validator));
    }
}
