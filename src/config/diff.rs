//! Which changes of the configuration a reload takes over, and which need a restart.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{secret::Secret, settings::Config, upstream::UpstreamConfig};
use crate::model::Scope;

/// The settings, and the tables of settings, that a reload takes over (CONTRACT, section 8).
const LIVE: [&str; 13] = [
    "callers",
    "routes.scope",
    "routes.ttl",
    "routes.stale_while_revalidate",
    "routes.stale_if_error",
    "limits",
    "cache",
    "telemetry.log_filter",
    "upstream.client_id",
    "upstream.email",
    "upstream.password",
    "upstream.login.fields",
    "upstream.login.token_pointers",
];
/// Exceptions within them.
const FIXED: [&str; 1] = ["cache.capacity"];

impl Config {
    /// Returns the names of the settings that differ in `next` and need a restart, in order.
    pub fn restart_required(&self, next: &Self) -> Vec<String> {
        let (running, wanted) = (flatten_settings(self), flatten_settings(next));
        let mut names: Vec<String> = running
            .keys()
            .chain(wanted.keys())
            .filter(|name| running.get(*name) != wanted.get(*name))
            .cloned()
            .collect();
        names.retain(|name| !is_reloadable(name) && !SECRETS.iter().any(|(secret, _)| secret == name));
        names.extend(SECRETS.iter().filter(|(_, of)| of(self) != of(next)).map(|(name, _)| (*name).to_owned()));
        if self.upstream.target_changed(&next.upstream) {
            names.extend(self.upstream.credentials_changed(&next.upstream).map(str::to_owned));
        }
        names.sort();
        names.dedup();
        names
    }
}

type SecretOf = fn(&Config) -> &Secret;

/// Secrets that need a restart. They are masked in the printed settings, and so compared separately.
const SECRETS: [(&str, SecretOf); 2] =
    [("admin.token", |config| &config.admin.token), ("sessions.secret", |config| &config.sessions.secret)];

impl UpstreamConfig {
    /// Takes over the credentials of `next`, unless `next` has another vendor address: sending the new credentials to the old
    /// address would disclose them, and lock an account.
    pub fn with_credentials_of(&self, next: &Self) -> Self {
        if self.target_changed(next) {
            return self.clone();
        }
        let mut merged = self.clone();
        (merged.client_id, merged.client_id_file) = (next.client_id.clone(), next.client_id_file.clone());
        (merged.email, merged.email_file) = (next.email.clone(), next.email_file.clone());
        (merged.password, merged.password_file) = (next.password.clone(), next.password_file.clone());
        merged.login.fields = next.login.fields.clone();
        merged.login.token_pointers = next.login.token_pointers.clone();
        merged
    }

    fn target_changed(&self, next: &Self) -> bool {
        (&self.base_url, &self.proxy, &self.ca_file) != (&next.base_url, &next.proxy, &next.ca_file)
    }

    fn credentials_changed(&self, next: &Self) -> impl Iterator<Item = &'static str> {
        let (login, next_login) = (&self.login, &next.login);
        let differ = [
            ("upstream.client_id", self.client_id != next.client_id),
            ("upstream.email", self.email != next.email),
            ("upstream.password", self.password != next.password),
            ("upstream.login.fields", login.fields != next_login.fields),
            ("upstream.login.token_pointers", login.token_pointers != next_login.token_pointers),
        ];
        differ.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name)
    }
}

/// Whether a reload takes over a change of the setting of this dotted name.
pub fn is_reloadable(name: &str) -> bool {
    let within = |table: &&str| name.strip_prefix(*table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    !FIXED.contains(&name) && LIVE.iter().any(within)
}

/// Every setting by its dotted name; a list is one setting. In `routes`, scope and freshness are left out: a reload takes
/// them over.
fn flatten_settings(config: &Config) -> BTreeMap<String, Value> {
    let mut settings = BTreeMap::new();
    let mut config = config.clone();
    for route in &mut config.routes {
        (route.ttl, route.stale_while_revalidate, route.stale_if_error) = Default::default();
        route.scope = Scope::NOBODYS;
    }
    // The settings always have a JSON form.
    collect(String::new(), serde_json::to_value(&config).unwrap_or_default(), &mut settings);
    settings
}

fn collect(name: String, value: Value, settings: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (member, value) in members {
                let dot = if name.is_empty() { "" } else { "." };
                collect(format!("{name}{dot}{member}"), value, settings);
            }
        }
        value => drop(settings.insert(name, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restart_required(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let running = Config::default();
        let mut next = running.clone();
        change(&mut next);
        running.restart_required(&next)
    }

    #[test]
    fn reloadable_changes_need_no_restart() {
        let none: Vec<String> = Vec::new();
        assert_eq!(restart_required(|_| {}), none);
        let live = restart_required(|next| {
            next.limits.max_in_flight = 7.try_into().unwrap();
            next.cache.surveys.ttl = std::time::Duration::from_secs(7);
            next.cache.negative_ttl = std::time::Duration::from_secs(7);
            next.telemetry.log_filter = "debug".parse().unwrap();
            next.upstream.password = Secret::new("another");
            next.upstream.client_id = Secret::new("another");
            next.upstream.login.fields.insert("company".to_owned(), "X".into());
        });
        assert_eq!(live, none);
    }

    #[test]
    fn other_changes_are_named_without_their_values() {
        let names = restart_required(|next| {
            next.server.listen = "127.0.0.1:1".parse().unwrap();
            next.cache.capacity = crate::config::Size::from_mib(1);
            next.upstream.breaker.window = std::time::Duration::from_secs(1);
            next.upstream.rate_limit.burst = None;
            next.upstream.login.refresh_ahead = 0.5;
            next.admin.token = Secret::new("canary");
            next.sessions.secret = Secret::new("canary");
        });
        let expected = [
            "admin.token",
            "cache.capacity",
            "server.listen",
            "sessions.secret",
            "upstream.breaker.window",
            "upstream.login.refresh_ahead",
            "upstream.rate_limit.burst",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn changed_secret_differs_although_masked() {
        let mut running = Config::default();
        running.admin.token = Secret::new("one");
        let mut next = running.clone();
        next.admin.token = Secret::new("two");
        assert_eq!(running.restart_required(&next), ["admin.token"]);
    }

    #[test]
    fn credentials_of_another_vendor_need_a_restart() {
        let mut running = Config::default();
        running.upstream.password = Secret::new("old");
        let mut next = running.clone();
        next.upstream.password = Secret::new("new");
        assert_eq!(running.upstream.with_credentials_of(&next.upstream).password.expose(), "new");
        next.upstream.base_url = "https://elsewhere.example".to_owned();
        assert_eq!(running.restart_required(&next), ["upstream.base_url", "upstream.password"]);
        assert_eq!(running.upstream.with_credentials_of(&next.upstream).password.expose(), "old");
    }
}
