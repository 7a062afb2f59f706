use std::{collections::HashSet, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{
    FreshnessConfig, HumanDuration,
    cache::never_stale_without_ttl,
    callers::{CallerConfig, ScopeName},
    validator::Validator,
};
use crate::model::{COMPANY_PARAMETER, Further, Route, RoutePath, Scope};

/// One of `[[routes]]`: a vendor route that the reference does not know, mirrored as documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Its path under the base path, here and at the vendor; a segment in braces, as in `/queries/agents/{id}`, stands for any
    /// one segment. Where it is called `{companyId}`, callers that are held to some companies are held to them here too.
    #[schemars(with = "String")]
    pub path: RoutePath,
    /// How it is asked for: `GET`, `POST`, or both. The gateway may ask again what an app asked once, ahead of time or after a
    /// failure: what changes something at the vendor must not stand here.
    #[serde(default = "by_get")]
    #[schemars(length(min = 1))]
    pub methods: Vec<RouteMethod>,
    /// What a caller needs among its `scopes`: one of the reference's, or a new word of 1 to 32 of `a-z`, `0-9`, `-`, `_`.
    #[serde(deserialize_with = "named_scope")]
    #[schemars(with = "ScopeName")]
    pub scope: Scope,
    /// The query parameters that it takes, beside those of `upstream.forward_query`.
    #[serde(default)]
    pub query: Vec<String>,
    /// How long an answer is fresh; zero: it is not kept.
    #[serde(with = "HumanDuration")]
    pub ttl: Duration,
    /// How long after that it is served at once while it is refreshed.
    #[serde(default, with = "HumanDuration")]
    pub stale_while_revalidate: Duration,
    /// How long after `ttl` it may stand in when the vendor fails.
    #[serde(default, with = "HumanDuration")]
    pub stale_if_error: Duration,
}

/// A method of a further route: one that asks, and does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RouteMethod {
    /// `GET`, and with it `HEAD`.
    Get,
    /// `POST`, with a JSON object as its body.
    Post,
}

impl<'de> Deserialize<'de> for RouteMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "GET" => Ok(Self::Get),
            "POST" => Ok(Self::Post),
            _ => Err(D::Error::custom(
                "is neither \"GET\" nor \"POST\"; other methods change things at the vendor, and are not mirrored",
            )),
        }
    }
}

fn by_get() -> Vec<RouteMethod> {
    vec![RouteMethod::Get]
}

fn named_scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
    ScopeName::deserialize(deserializer).map(|name| name.0)
}

impl RouteConfig {
    /// How long its answers are good.
    pub fn freshness(&self) -> FreshnessConfig {
        let Self { ttl, stale_while_revalidate, stale_if_error, .. } = *self;
        FreshnessConfig { ttl, stale_while_revalidate, stale_if_error }
    }

    /// Whether it is where `route` was read from.
    pub fn is(&self, route: &Further) -> bool {
        let method = if route.is_gotten { RouteMethod::Get } else { RouteMethod::Post };
        self.path == route.path && self.methods.contains(&method)
    }

    fn validate(&self, validator: &mut Validator<'_>) {
        let first = self.path.first_literal();
        let remedy = "write the first segment out, as in \"/queries/{what}\"";
        validator.require(
            first.is_some(),
            "path",
            "begins with a parameter, so it would be every path there is",
            remedy,
        );
        let own = first.is_some_and(|first| OWN.contains(&first));
        let remedy = "leave it out; the gateway's own pages stand there";
        validator.require(
            !own,
            "path",
            "begins like a page of the gateway's own, and could not be told from it",
            remedy,
        );
        let of_account = first.is_some_and(|first| first.eq_ignore_ascii_case("auth"));
        let remedy = "leave it out; the login routes are the gateway's own";
        validator.require(
            !of_account,
            "path",
            "lies below /auth, where the service login's own account is dealt with",
            remedy,
        );
        let path = self.path.as_str();
        let known = Route::ALL.into_iter().filter_map(template).any(|known| known.fits_in_any_case(path));
        let reason = "is a path of the reference's, which is mirrored already";
        validator.require(
            of_account || !known,
            "path",
            reason,
            "leave it out; [cache] sets how long its answers are good",
        );
        validator.require(!self.methods.is_empty(), "methods", "is empty", "write [\"GET\"], or leave it out");
        let unique = self.methods.iter().collect::<HashSet<_>>().len() == self.methods.len();
        validator.require(unique, "methods", "names a method twice", "name each once");
        let unique = self.query.iter().collect::<HashSet<_>>().len() == self.query.len();
        let named = self.query.iter().all(|name| !name.is_empty());
        validator.require(
            unique && named,
            "query",
            "has an empty name, or a name twice",
            "name each query parameter once",
        );
        never_stale_without_ttl(validator, self.ttl.is_zero(), self.stale_while_revalidate, self.stale_if_error);
    }

    /// What is wrong with it beside `earlier`, which stands before it, and what to do.
    fn beside(&self, earlier: &Self) -> Option<(&'static str, &'static str)> {
        let shared = self.methods.iter().any(|method| earlier.methods.contains(method));
        if self.path == earlier.path {
            shared.then_some(("stands here twice with the same method", "take one of them out"))
        } else if self.path.is_same(&earlier.path) {
            Some(("is a path of a route before it, with other names", "call its parameters as that one does"))
        } else if shared && earlier.path.fits_in_any_case(self.path.as_str()) {
            Some(("is hidden by a route before it, which takes every such path", "put it before that one"))
        } else {
            None
        }
    }
}

/// What the gateway's own pages begin with, in metrics and alerts too.
const OWN: [&str; 4] = ["livez", "readyz", "openapi.json", "docs"];

fn template(route: Route) -> Option<RoutePath> {
    route.template().parse().ok()
}

/// Checks each by itself, then that each can be reached.
pub(super) fn validate(routes: &[RouteConfig], validator: &mut Validator<'_>) {
    for (index, route) in routes.iter().enumerate() {
        validator.entry(index, |validator| {
            route.validate(validator);
            if let Some((reason, remedy)) = routes.iter().take(index).find_map(|earlier| route.beside(earlier)) {
                validator.require(false, "path", reason, remedy);
            }
        });
    }
}

/// Checks that each caller's scopes are those of some route, and warns where less is held back than one may think.
pub(super) fn validate_scopes(callers: &[CallerConfig], routes: &[RouteConfig], validator: &mut Validator<'_>) {
    let further: Vec<Scope> = routes.iter().map(|route| route.scope).collect();
    let mut names: Vec<&str> = Scope::ALL.iter().chain(&further).map(Scope::as_str).collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    for (index, caller) in callers.iter().enumerate() {
        validator.entry(index, |validator| {
            let known = |scope: &Scope| !matches!(scope, Scope::Further(_)) || further.contains(scope);
            let remedy = format!("choose from {}", names.join(", "));
            // Of a route that is at fault itself it is not known what scope was meant.
            let unknown = caller.scopes.iter().enumerate().filter(|(_, scope)| !known(scope));
            for (place, _) in unknown.filter(|_| !validator.is_damaged("routes")).collect::<Vec<_>>() {
                validator.section("scopes", |validator| {
                    validator.entry(place, |validator| {
                        validator.require(false, "", "is a scope that no route has", &remedy)
                    });
                });
            }
            for route in routes.iter().filter(|route| caller.scopes.contains(&route.scope)) {
                let of_company = route.path.parameters().any(|name| name == COMPANY_PARAMETER);
                let path = &route.path;
                if !of_company && (caller.companies.is_some() || caller.queues.is_some()) {
                    let shown = "its scope shows it everything";
                    validator.warn(&format!("it is held to some companies or queues, but of {path} {shown}"));
                } else if caller.queues.is_some() {
                    let shown = "its scope shows it all that is the company's";
                    validator
                        .warn(&format!("its queues do not hold of {path}: where it may ask about a company, {shown}"));
                }
            }
        });
    }
}
