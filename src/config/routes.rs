use std::{collections::HashSet, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    cache::FreshnessConfig,
    callers::{CallerConfig, ScopeName},
    duration::HumanDuration,
    validator::Validator,
};
use crate::model::{COMPANY_PARAMETER, Further, Route, RoutePath, Scope};

/// One of `[[routes]]`: a vendor route beside the documented ones, mirrored as documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Path below the base path, here and at the vendor; a segment in braces, as in `/queries/agents/{id}`, is a parameter.
    /// `{companyId}` is checked against the companies of restricted callers.
    #[schemars(with = "String", example = &"/queries/agents/{id}")]
    pub path: RoutePath,
    /// Methods: `GET`, `POST` or both. The gateway may repeat a request ahead of time or after a failure, so the route must not
    /// change anything at the vendor.
    #[serde(default = "default_methods")]
    #[schemars(length(min = 1))]
    pub methods: Vec<RouteMethod>,
    /// Scope that a caller needs: a documented one, or a new name of 1 to 32 of `a-z`, `0-9`, `-`, `_`.
    #[serde(deserialize_with = "deserialize_scope")]
    #[schemars(with = "ScopeName")]
    pub scope: Scope,
    /// Query parameters that the route takes, besides those of `upstream.forward_query`.
    #[serde(default)]
    pub query: Vec<String>,
    /// Time for which an answer is fresh; zero: it is not cached.
    #[serde(with = "HumanDuration")]
    pub ttl: Duration,
    /// Time after `ttl` in which it is served immediately while it is refreshed.
    #[serde(default, with = "HumanDuration")]
    pub stale_while_revalidate: Duration,
    /// Time after `ttl` in which it is served if the vendor fails.
    #[serde(default, with = "HumanDuration")]
    pub stale_if_error: Duration,
}

/// A method of a configured route. Others change things at the vendor and are not mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RouteMethod {
    /// `GET`, and with it `HEAD`.
    Get,
    /// `POST`, with a JSON object as its body.
    Post,
}

fn default_methods() -> Vec<RouteMethod> {
    vec![RouteMethod::Get]
}

fn deserialize_scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
    ScopeName::deserialize(deserializer).map(|name| name.0)
}

impl RouteConfig {
    /// The freshness of its answers.
    pub fn freshness(&self) -> FreshnessConfig {
        let Self { ttl, stale_while_revalidate, stale_if_error, .. } = *self;
        FreshnessConfig { ttl, stale_while_revalidate, stale_if_error }
    }

    /// Whether `route` was made from it.
    pub fn is_source_of(&self, route: &Further) -> bool {
        let method = if route.is_gotten { RouteMethod::Get } else { RouteMethod::Post };
        self.path == route.path && self.methods.contains(&method)
    }

    fn validate(&self, validator: &mut Validator<'_, '_>) {
        let first = self.path.first_literal();
        let remedy = "write a literal first segment, as in \"/queries/{id}\"";
        validator.require(first.is_some(), "path", "must start with a literal segment", remedy);
        let is_reserved = first.is_some_and(|first| RESERVED_SEGMENTS.contains(&first));
        let reason = "begins like a page of the gateway's own, such as /docs";
        validator.require(!is_reserved, "path", reason, "remove the route");
        let is_auth = first.is_some_and(|first| first.eq_ignore_ascii_case("auth"));
        let reason = "is below /auth, which the gateway answers itself";
        validator.require(!is_auth, "path", reason, "remove the route");
        let path = self.path.as_str();
        let templates = Route::ALL.into_iter().filter_map(|route| route.template().parse::<RoutePath>().ok());
        let is_documented = templates.into_iter().any(|template| template.fits_in_any_case(path));
        let reason = "is a path of the vendor's reference, which is mirrored already";
        validator.require(is_auth || !is_documented, "path", reason, "set its freshness in [cache] instead");
        validator.require(!self.methods.is_empty(), "methods", "is empty", "write [\"GET\"], or remove it");
        let is_unique = self.methods.iter().collect::<HashSet<_>>().len() == self.methods.len();
        validator.require(is_unique, "methods", "names a method twice", "name each method once");
        let is_unique = self.query.iter().collect::<HashSet<_>>().len() == self.query.len();
        let are_named = self.query.iter().all(|name| !name.is_empty());
        let reason = "holds an empty name or a name twice";
        validator.require(is_unique && are_named, "query", reason, "name each query parameter once");
        self.freshness().validate(validator);
    }

    /// How it conflicts with `earlier`, which comes before it, and the remedy.
    fn conflict_with(&self, earlier: &Self) -> Option<(&'static str, &'static str)> {
        let shared = self.methods.iter().any(|method| earlier.methods.contains(method));
        if self.path == earlier.path {
            shared.then_some(("has the path and a method of an earlier route", "remove one of them"))
        } else if self.path.is_same(&earlier.path) {
            Some(("is the path of an earlier route with other parameter names", "use the same names"))
        } else if shared && earlier.path.fits_in_any_case(self.path.as_str()) {
            Some(("is hidden by an earlier route, which matches every such path", "move it before that route"))
        } else {
            None
        }
    }
}

/// First segments of the gateway's own pages, which metrics and alerts distinguish by path.
const RESERVED_SEGMENTS: [&str; 4] = ["livez", "readyz", "openapi.json", "docs"];

/// Checks each route, then that each can be reached.
pub(super) fn validate(routes: &[RouteConfig], validator: &mut Validator<'_, '_>) {
    let mut earlier: Vec<&RouteConfig> = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        validator.entry(index, |validator| {
            route.validate(validator);
            if let Some((reason, remedy)) = earlier.iter().find_map(|earlier| route.conflict_with(earlier)) {
                validator.require(false, "path", reason, remedy);
            }
            // An invalid one was replaced by an example.
            if !validator.is_invalid("path") && !validator.is_invalid("methods") {
                earlier.push(route);
            }
        });
    }
}

/// Checks that each caller's scopes belong to some route, and warns of routes that ignore a caller's restrictions.
pub(super) fn validate_scopes(
    callers: &[CallerConfig],
    routes: &[RouteConfig],
    is_scope_known: bool,
    validator: &mut Validator<'_, '_>,
) {
    let configured: Vec<Scope> = routes.iter().map(|route| route.scope).collect();
    let mut names: Vec<&str> = Scope::ALL.iter().chain(&configured).map(Scope::as_str).collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    let remedy = format!("choose from {}", names.join(", "));
    for (index, caller) in callers.iter().enumerate() {
        validator.entry(index, |validator| {
            for (place, scope) in caller.scopes.iter().enumerate() {
                let is_known = !matches!(scope, Scope::Further(_)) || configured.contains(scope) || !is_scope_known;
                validator.require(is_known, &format!("scopes.{place}"), "is a scope that no route has", &remedy);
            }
            for route in routes.iter().filter(|route| caller.scopes.contains(&route.scope)) {
                let has_company = route.path.parameters().any(|name| name == COMPANY_PARAMETER);
                let path = &route.path;
                if !has_company && (caller.companies.is_some() || caller.queues.is_some()) {
                    validator.warn(&format!("its companies and queues do not restrict {path}"));
                } else if caller.queues.is_some() {
                    validator.warn(&format!("its queues do not restrict {path}, which shows all of a company"));
                }
            }
        });
    }
}
