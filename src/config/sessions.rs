use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HumanDuration, Secret, secret, validator::Validator};

/// `[sessions]`: what the login route gives to apps that log in as they would at the vendor.
// It holds a secret: no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// How long a session lives.
    #[serde(with = "HumanDuration")]
    pub ttl: Duration,
    /// What sessions are signed with, 32 bytes at least. Empty: a random one at each start, and sessions end with the
    /// process.
    #[serde(serialize_with = "Secret::mask")]
    pub secret: Secret,
    /// A file that holds the secret.
    #[serde(skip_serializing_if = "secret::mask_tells_the_file")]
    pub secret_file: Option<PathBuf>,
}

/// RFC 7518, section 3.2: a key as long as the hash, at least.
const SHORTEST_SECRET: usize = 32;
const LONGEST_TTL: Duration = Duration::from_secs(366 * 86_400);

impl Default for SessionsConfig {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(12 * 3600), secret: Secret::default(), secret_file: None }
    }
}

impl SessionsConfig {
    pub(super) fn secrets_mut(&mut self) -> [(&mut Secret, &mut Option<PathBuf>); 1] {
        [(&mut self.secret, &mut self.secret_file)]
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        super::no_zero_durations(validator, &[("ttl", self.ttl)]);
        validator.require(self.ttl <= LONGEST_TTL, "ttl", "is more than a year", "write a duration up to \"8784h\"");
        let long_enough = self.secret.is_empty() || self.secret.expose().len() >= SHORTEST_SECRET;
        let reason = "is shorter than 32 bytes, so that it could be guessed";
        let remedy = "make one with: head -c 32 /dev/urandom | base64";
        validator.require_all(long_enough, &["secret", "secret_file"], reason, remedy);
    }
}
