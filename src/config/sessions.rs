use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    duration::HumanDuration,
    secret::{self, Secret},
    validator::Validator,
};

/// `[sessions]`: sessions of callers that use the login route.
// It holds a secret: no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// Life of a session, at most a year.
    #[serde(with = "HumanDuration")]
    pub ttl: Duration,
    /// Signing secret, at least 32 bytes. Empty: a random one at each start, so that sessions end with the process.
    #[serde(serialize_with = "Secret::mask")]
    pub secret: Secret,
    /// File that holds the secret.
    #[serde(skip_serializing_if = "secret::mask_shows_path")]
    pub secret_file: Option<PathBuf>,
}

/// RFC 7518, section 3.2: a key is at least as long as the hash.
const MIN_SECRET_LEN: usize = 32;
const MAX_TTL: Duration = Duration::from_secs(366 * 86_400);

impl Default for SessionsConfig {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(12 * 3600), secret: Secret::default(), secret_file: None }
    }
}

impl SessionsConfig {
    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        validator.require_nonzero(&[("ttl", self.ttl.is_zero())]);
        validator.require(self.ttl <= MAX_TTL, "ttl", "is longer than a year", "write a duration up to \"8784h\"");
        let is_long_enough = self.secret.is_empty() || self.secret.expose().len() >= MIN_SECRET_LEN;
        let remedy = "create one with `openssl rand -base64 32`";
        validator.require_all(is_long_enough, &["secret", "secret_file"], "is shorter than 32 bytes", remedy);
    }
}
