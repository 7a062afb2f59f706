use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{key_hash::KeyHash, rate::RateLimit, validator::Validator};
use crate::model::{CallerName, CompanyId, QueueId, Scope};

/// One of `[[callers]]`: an internal app, its keys and its rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
// `key_hashes` has a default for serde only: an empty list is reported with how to create a key.
#[schemars(extend("required" = ["name", "key_hashes"]))]
pub struct CallerConfig {
    /// The caller's name in logs and metrics: 1 to 64 of `a-z`, `0-9`, `-`, `_`.
    #[schemars(with = "String", regex(pattern = "^[a-z0-9_-]{1,64}$"), example = &"wallboard")]
    pub name: CallerName,
    /// Hashes of its keys; several during a rotation.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub key_hashes: Vec<KeyHash>,
    /// Its scopes, each by name.
    #[serde(default, deserialize_with = "deserialize_scopes")]
    #[schemars(with = "Vec<ScopeName>")]
    pub scopes: Vec<Scope>,
    /// Ids of the companies that it may ask about; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<std::num::NonZeroU64>>")]
    pub companies: Option<Vec<CompanyId>>,
    /// Ids of the queues that it may ask about; left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub queues: Option<Vec<QueueId>>,
    /// Its own rate; left out: `limits.default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Time from which its keys are refused (RFC 3339); left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "deserialize_timestamp")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"), example = &"2027-01-01T00:00:00Z")]
    pub expires: Option<jiff::Timestamp>,
    /// Whether its keys are accepted.
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// Whether the `Cache-Control` of its requests (`max-age`, `no-cache`, `only-if-cached`) applies: each such request may cost
    /// a vendor call.
    #[serde(default)]
    pub may_refresh: bool,
    /// Accepted as `email` by the login route, besides its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

const fn default_true() -> bool {
    true
}

/// A scope in the settings. There is none for everything.
pub(super) struct ScopeName(pub(super) Scope);

impl<'de> Deserialize<'de> for ScopeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "*" => Err(D::Error::custom("is \"*\", but each scope must be named")),
            text => text.parse().map(Self).map_err(D::Error::custom),
        }
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

fn deserialize_scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Scope>, D::Error> {
    let names = Vec::<ScopeName>::deserialize(deserializer)?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

fn deserialize_timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| D::Error::custom("is not a time with date and offset (RFC 3339)"))
}

impl CallerConfig {
    fn validate(&self, validator: &mut Validator<'_, '_>) {
        let remedy = "run `wesal-gateway keys new`, which prints a new key and its hash";
        validator.require(!self.key_hashes.is_empty(), "key_hashes", "is empty, so no key is accepted", remedy);
        let remedy = "write what the app sends as `email`, or remove it";
        validator.require(self.login.as_deref() != Some(""), "login", "is empty", remedy);
        if let Some(rate) = &self.rate_limit {
            validator.section("rate_limit", |validator| rate.validate(validator));
        }
        if self.enabled && self.expires.is_some_and(|expires| expires <= validator.now) {
            validator.warn("expires is in the past, so its keys are refused");
        }
        if self.scopes.is_empty() {
            validator.warn("it has no scopes, so all its requests are refused");
        }
        let is_empty_list = [
            ("companies", self.companies.as_ref().is_some_and(Vec::is_empty)),
            ("queues", self.queues.as_ref().is_some_and(Vec::is_empty)),
        ];
        for (setting, _) in is_empty_list.into_iter().filter(|(_, is_empty)| *is_empty) {
            validator.warn(&format!("{setting} is an empty list, which allows none; remove it to allow all"));
        }
    }
}

/// Checks each caller, then that no two can be confused.
pub(super) fn validate(callers: &[CallerConfig], validator: &mut Validator<'_, '_>) {
    let mut hashes: HashMap<&KeyHash, String> = HashMap::new();
    let mut names: HashSet<&str> = HashSet::new();
    // A name or hash that is not valid was replaced by an example, which may be another caller's.
    let named = callers.iter().enumerate().filter(|(index, _)| !validator.is_invalid(&format!("{index}.name")));
    let owners: HashMap<&str, usize> = named.map(|(index, caller)| (caller.name.as_str(), index)).collect();
    let mut logins: HashMap<&str, usize> = HashMap::new();
    for (index, caller) in callers.iter().enumerate() {
        validator.entry(index, |validator| {
            caller.validate(validator);
            let is_unique = validator.is_invalid("name") || names.insert(caller.name.as_str());
            validator.require(is_unique, "name", "is the name of another caller", "give each caller its own name");
            for (place, hash) in caller.key_hashes.iter().enumerate() {
                let setting = format!("key_hashes.{place}");
                if validator.is_invalid(&setting) {
                    continue;
                }
                if let Some(owner) = hashes.insert(hash, validator.path()) {
                    let reason = format!("is a hash that {owner} has too");
                    validator.require(false, &setting, &reason, "create a key for each caller, and list its hash once");
                }
            }
            let Some(login) = caller.login.as_deref() else { return };
            let is_free =
                logins.insert(login, index).is_none() && owners.get(login).is_none_or(|owner| *owner == index);
            let remedy = "give each caller its own login, or remove it";
            validator.require(is_free, "login", "is the name or login of another caller", remedy);
        });
    }
    if callers.is_empty() {
        validator.warn("there are no callers, so every request is refused; `wesal-gateway keys new` creates one");
    }
}
