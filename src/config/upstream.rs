use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{BreakerConfig, HumanDuration, LoginConfig, RateLimit, Secret, Size, secret, url, validator::Validator};

/// `[upstream]`: the vendor, how the gateway logs in there, and how it is spared.
// It holds secrets: no `Debug`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Where the vendor's API begins, without a slash behind it. `https`, unless the host is loopback or
    /// `allow_http` is set.
    #[serde(deserialize_with = "without_trailing_slash")]
    #[schemars(with = "String")]
    pub base_url: String,
    /// Whether the vendor may be called without encryption: credentials then travel in the clear.
    pub allow_http: bool,
    /// A file with the only root certificates, in PEM form, that the vendor's certificate may come from; left out: those
    /// of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// What goes into `X-Client-Id`.
    #[serde(serialize_with = "Secret::mask")]
    pub client_id: Secret,
    /// A file that holds the client id.
    #[serde(skip_serializing_if = "secret::mask_tells_the_file")]
    pub client_id_file: Option<PathBuf>,
    /// The e-mail address of the service login.
    #[serde(serialize_with = "Secret::mask")]
    pub email: Secret,
    /// A file that holds the e-mail address.
    #[serde(skip_serializing_if = "secret::mask_tells_the_file")]
    pub email_file: Option<PathBuf>,
    /// The password of the service login.
    #[serde(serialize_with = "Secret::mask")]
    pub password: Secret,
    /// A file that holds the password.
    #[serde(skip_serializing_if = "secret::mask_tells_the_file")]
    pub password_file: Option<PathBuf>,
    /// What stands before the token in `Authorization`; empty: the bare token.
    pub auth_scheme: String,
    /// How long a token lives that does not say so itself; zero: until the vendor refuses it.
    #[serde(with = "HumanDuration")]
    pub token_ttl: Duration,
    /// How long a connection may take to come about.
    #[serde(with = "HumanDuration")]
    pub connect_timeout: Duration,
    /// How long one try of a call may take.
    #[serde(with = "HumanDuration")]
    pub try_timeout: Duration,
    /// How long a call may take with all its tries.
    #[serde(with = "HumanDuration")]
    pub request_timeout: Duration,
    /// How long a request waits when the vendor's budget is spent.
    #[serde(with = "HumanDuration")]
    pub max_wait: Duration,
    /// The longest answer that is read, in bytes, counted unpacked.
    pub max_response: Size,
    /// Connections to the vendor at once.
    pub max_connections: NonZeroUsize,
    /// How long a pooled connection to the vendor is used. A vendor that moved in DNS is found within this time.
    #[serde(with = "HumanDuration")]
    pub max_connection_age: Duration,
    /// Queue ids in one vendor call at most.
    pub max_queues_per_call: NonZeroUsize,
    /// How many times as long as its `ttl` an answer may be fresh as the calls that the vendor allows run out, so that
    /// nobody has to be refused; 1 turns it off.
    #[schemars(range(min = 1, max = 100))]
    pub max_stretch: f64,
    /// A proxy to go through, as `http://host:port`; the environment's proxy variables are ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The calls that the vendor allows.
    pub rate_limit: RateLimit,
    /// Further tries of a failed call: 0, 1 or 2.
    #[schemars(range(max = 2))]
    pub retries: u32,
    /// The share of all calls that may be such further tries, from 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub retry_budget: f64,
    /// Query parameters that are passed on, beside those the vendor's reference names.
    pub forward_query: Vec<String>,
    /// Top-level body fields that are passed on, beside those the vendor's reference names.
    pub forward_fields: Vec<String>,
    /// When the vendor is left alone for a while.
    pub breaker: BreakerConfig,
    /// How a token is got.
    pub login: LoginConfig,
}

/// The body fields that the vendor's reference defines itself.
const DEFINED_FIELDS: [&str; 14] = [
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
            max_connections: super::at_least_one(32),
            max_connection_age: Duration::from_secs(300),
            max_queues_per_call: super::at_least_one(100),
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
    pub(super) fn secrets_mut(&mut self) -> [(&mut Secret, &mut Option<PathBuf>); 3] {
        [
            (&mut self.client_id, &mut self.client_id_file),
            (&mut self.email, &mut self.email_file),
            (&mut self.password, &mut self.password_file),
        ]
    }

    /// Relative paths start from the configuration file's `folder`.
    pub(super) fn resolve_paths(&mut self, folder: &Path, state_dir: Option<&Path>) {
        self.ca_file = self.ca_file.take().map(|file| folder.join(file));
        self.login.resolve_state_dir(folder, state_dir);
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        url::validate_vendor(&self.base_url, self.allow_http, validator);
        if let Some(proxy) = &self.proxy {
            url::validate_proxy(proxy, validator);
        }
        self.validate_credentials(validator);
        self.validate_times(validator);
        validator.require(
            self.max_response.bytes() > 0,
            "max_response",
            "may not be zero",
            "write a size, as in \"16 MiB\"",
        );
        super::countable(validator, "max_connections", self.max_connections);
        super::countable(validator, "max_queues_per_call", self.max_queues_per_call);
        let stretch = (1.0..=100.0).contains(&self.max_stretch);
        validator.require(stretch, "max_stretch", "is not from 1 to 100", "write how many times as long, as in 3.0");
        validator.section("rate_limit", |validator| self.rate_limit.validate(validator));
        validator.require(self.retries <= 2, "retries", "is more than 2", "write 0, 1 or 2");
        let share = (0.0..=1.0).contains(&self.retry_budget);
        validator.require(
            share,
            "retry_budget",
            "is not a share of the calls",
            "write a number from 0 to 1, as in 0.2",
        );
        self.validate_forwarded(validator);
        validator.section("breaker", |validator| self.breaker.validate(validator));
        validator.section("login", |validator| self.login.validate(validator));
    }

    fn validate_credentials(&self, validator: &mut Validator<'_>) {
        let sendable = self.client_id.expose().bytes().all(|byte| byte.is_ascii_graphic());
        let reason = "holds a character that cannot stand in a header";
        let remedy = "give the client id as the vendor gave it, without spaces or line ends";
        validator.require_all(sendable, &["client_id", "client_id_file"], reason, remedy);
        // RFC 9110, section 5.6.2: a scheme is a token.
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let reason = "is not the name of an authentication scheme";
        let remedy = "write one word, as in \"Bearer\", or \"\" for the bare token";
        validator.require(self.auth_scheme.bytes().all(token), "auth_scheme", reason, remedy);
    }

    fn validate_times(&self, validator: &mut Validator<'_>) {
        super::no_zero_durations(
            validator,
            &[
                ("connect_timeout", self.connect_timeout),
                ("try_timeout", self.try_timeout),
                ("request_timeout", self.request_timeout),
                ("max_connection_age", self.max_connection_age),
            ],
        );
        let settings = ["connect_timeout", "try_timeout"];
        let reason = "connect_timeout is longer than try_timeout, which includes it";
        let remedy = "shorten connect_timeout or lengthen try_timeout";
        validator.require_all(self.connect_timeout <= self.try_timeout, &settings, reason, remedy);
        let settings = ["try_timeout", "request_timeout"];
        let reason = "try_timeout is longer than request_timeout, which includes it";
        let remedy = "shorten try_timeout or lengthen request_timeout";
        validator.require_all(self.try_timeout <= self.request_timeout, &settings, reason, remedy);
    }

    fn validate_forwarded(&self, validator: &mut Validator<'_>) {
        let named = |names: &[String]| names.iter().all(|name| !name.is_empty());
        let (reason, remedy) = ("holds an empty name", "take it out");
        validator.require(named(&self.forward_query), "forward_query", reason, remedy);
        validator.require(named(&self.forward_fields), "forward_fields", reason, remedy);
        // A second spelling of a documented field would be a way around the rules for the first.
        for (setting, names) in [("forward_query", &self.forward_query), ("forward_fields", &self.forward_fields)] {
            for defined in DEFINED_FIELDS.iter().filter(|defined| names.iter().any(|name| name == *defined)) {
                let reason = format!("names `{defined}`, which the vendor's reference defines as a field of its own");
                validator.require(false, setting, &reason, "take it out");
            }
        }
    }
}
