use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Error},
};

use super::{KeyHash, RateLimit, validator::Validator};
use crate::model::{CallerName, CompanyId, QueueId, Scope};

/// One of `[[callers]]`: an internal app, how it is known, and what it may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
// Left out, it is told with the rest that is wrong, and with how to make one.
#[schemars(extend("required" = ["name", "key_hashes"]))]
pub struct CallerConfig {
    /// The caller's name in logs and metrics: 1 to 64 of `a-z`, `0-9`, `-`, `_`.
    #[schemars(with = "String", regex(pattern = "^[a-z0-9_-]{1,64}$"))]
    pub name: CallerName,
    /// The hashes of its keys; several while a key is being replaced.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub key_hashes: Vec<KeyHash>,
    /// What it may ask for, each by name.
    #[serde(default, deserialize_with = "named_scopes")]
    #[schemars(with = "Vec<ScopeName>")]
    pub scopes: Vec<Scope>,
    /// The companies it may ask about; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<std::num::NonZeroU64>>")]
    pub companies: Option<Vec<CompanyId>>,
    /// The queues it may ask about; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub queues: Option<Vec<QueueId>>,
    /// Its own rate; left out: `limits.default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// When its keys cease to work (RFC 3339); left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "instant")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires: Option<jiff::Timestamp>,
    /// Whether its keys work at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether its requests' `Cache-Control` (`max-age`, `no-cache`, `only-if-cached`) is honoured: each such request may
    /// cost a vendor call.
    #[serde(default)]
    pub may_refresh: bool,
    /// What it may give as `email` at the login route, beside its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

const fn yes() -> bool {
    true
}

/// A scope in the settings. There is no "everything".
pub(super) struct ScopeName(pub(super) Scope);

impl<'de> Deserialize<'de> for ScopeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "*" {
            return Err(D::Error::custom("is \"*\", but each scope must be named"));
        }
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for ScopeName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[a-z0-9_-]{1,32}$",
            "examples": Scope::ALL.each_ref().map(Scope::as_str),
        })
    }
}

fn named_scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Scope>, D::Error> {
    let names = Vec::<ScopeName>::deserialize(deserializer)?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = jiff::Timestamp;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an instant such as \"2027-01-01T00:00:00Z\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<jiff::Timestamp, E> {
            let remedy = "write date, time and offset, as in \"2027-01-01T00:00:00Z\"";
            text.parse().map_err(|_| E::custom(format!("is not an instant (RFC 3339); {remedy}")))
        }
    }

    deserializer.deserialize_str(Visitor).map(Some)
}

impl CallerConfig {
    fn validate(&self, validator: &mut Validator<'_>) {
        let remedy = "run `wesal-gateway keys new`, which prints a new key and its hash";
        validator.require(
            !self.key_hashes.is_empty(),
            "key_hashes",
            "is empty, so nobody could be this caller",
            remedy,
        );
        let remedy = "write what the app sends as `email`, or leave it out";
        validator.require(self.login.as_deref() != Some(""), "login", "is empty", remedy);
        if let Some(rate) = &self.rate_limit {
            validator.section("rate_limit", |validator| rate.validate(validator));
        }
        if self.enabled && self.expires.is_some_and(|expires| expires <= validator.now) {
            validator.warn("expires lies in the past, so none of its keys work");
        }
        if self.scopes.is_empty() {
            validator.warn("it has no scopes, so it may ask for nothing");
        }
        for (setting, nothing) in [
            ("companies", self.companies.as_ref().is_some_and(Vec::is_empty)),
            ("queues", self.queues.as_ref().is_some_and(Vec::is_empty)),
        ] {
            if nothing {
                validator
                    .warn(&format!("{setting} is an empty list, so it may ask about none; leave it out to allow all"));
            }
        }
    }
}

/// Checks each caller by itself, then that no two can be taken for each other.
pub(super) fn validate(callers: &[CallerConfig], validator: &mut Validator<'_>) {
    let mut hashes: HashMap<&KeyHash, String> = HashMap::new();
    let mut names: HashSet<&str> = HashSet::new();
    let all_names: HashMap<&str, usize> = callers.iter().enumerate().map(|(i, c)| (c.name.as_str(), i)).collect();
    for (index, caller) in callers.iter().enumerate() {
        validator.entry(index, |validator| {
            caller.validate(validator);
            let unique = names.insert(caller.name.as_str());
            validator.require(
                unique,
                "name",
                "is the name of another caller too",
                "give each caller a name of its own",
            );
            for hash in &caller.key_hashes {
                if let Some(owner) = hashes.insert(hash, validator.path()) {
                    let reason = format!("holds a hash that stands in {owner} already");
                    validator.require(
                        false,
                        "key_hashes",
                        &reason,
                        "make a key for each caller, and list its hash once",
                    );
                }
            }
        });
    }
    let mut logins: HashMap<&str, usize> = HashMap::new();
    for (index, caller) in callers.iter().enumerate() {
        let Some(login) = caller.login.as_deref() else { continue };
        let free = logins.insert(login, index).is_none() && all_names.get(login).is_none_or(|owner| *owner == index);
        let remedy = "give each caller a login of its own, or leave it out";
        validator
            .entry(index, |validator| validator.require(free, "login", "is another caller's name or login", remedy));
    }
    if callers.is_empty() {
        validator.warn("there are no callers, so every request is refused; `wesal-gateway keys new` makes one");
    }
}
