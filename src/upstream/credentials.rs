//! The service login's credentials, and how others take their place while the gateway runs.

use std::collections::VecDeque;

use reqwest::header::HeaderValue;

use super::{error::StartError, secrets::secrets, transport::sensitive};
use crate::config::{Secret, UpstreamConfig};

/// What of the service login's account calls need that are no logins.
pub(super) struct OwnAccount {
    pub(super) client_id: HeaderValue,
    pub(super) email: Secret,
}

impl OwnAccount {
    pub(super) fn new(config: &UpstreamConfig) -> Result<Self, StartError> {
        let client_id = sensitive(config.client_id.expose()).ok_or(StartError::Header("upstream.client_id"))?;
        Ok(Self { client_id, email: config.email.clone() })
    }
}

/// The secrets that callers are never shown in the vendor's words.
pub(super) struct Hidden {
    current: Vec<Secret>,
    /// Those of before: the vendor may still speak of them.
    former: VecDeque<Secret>,
}

impl Hidden {
    const MOST_FORMER: usize = 64;

    pub(super) fn of(config: &UpstreamConfig) -> Self {
        Self { current: secrets(config), former: VecDeque::new() }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.current.iter().chain(&self.former).map(Secret::expose)
    }

    pub(super) fn change(&mut self, config: &UpstreamConfig) {
        let Self { current, former: _ } = Self::of(config);
        for secret in std::mem::replace(&mut self.current, current) {
            self.add(secret);
        }
    }

    pub(super) fn add(&mut self, secret: Secret) {
        if !self.current.contains(&secret) && !self.former.contains(&secret) {
            self.former.push_back(secret);
        }
        if self.former.len() > Self::MOST_FORMER {
            self.former.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secrets_in_use_are_always_hidden_and_those_of_before_within_a_bound() {
        let mut config = UpstreamConfig { client_id: Secret::new("id"), ..UpstreamConfig::default() };
        let mut hidden = Hidden::of(&config);
        for n in 0..200 {
            config.password = Secret::new(&format!("password {n}"));
            hidden.change(&config);
        }
        let all: Vec<&str> = hidden.all().collect();
        assert!(["id", "password 199", "password 198"].iter().all(|secret| all.contains(secret)));
        assert!(all.len() < 70 && !all.contains(&"password 0"), "{}", all.len());
    }
}
