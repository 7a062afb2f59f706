//! What the public listener serves, as OpenAPI 3.1: made of the table of routes, of what the handlers ask of a body
//! ([`Described`](super::extract::Described)), and of the types that they answer with. Nothing of it is written by hand
//! that the code knows.

mod bodies;
mod errors;
mod freshness;
mod headers;
mod operations;
mod vendor;

use std::collections::BTreeMap;

use axum::http::Method;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{problem::Document, route_table::Endpoint, settings::Settings};
use crate::{
    config::{CacheConfig, RouteConfig},
    fetch::Readiness,
    model::{Further, MAX_DEPTH, Route},
};
use errors::Shared;
pub(super) use operations::ids;

/// The description of what is served with these settings, where a request may name `max_queues` queues.
pub(super) fn document(
    settings: &Settings,
    max_queues: usize,
    freshness: &CacheConfig,
    routes: &[RouteConfig],
) -> Value {
    let mut describing = Describing {
        settings,
        max_queues,
        freshness,
        routes,
        schemas: SchemaSettings::draft2020_12()
            .for_serialize()
            .with(|settings| settings.definitions_path = "/components/schemas".into())
            .into_generator(),
        requests: Map::new(),
        shared: Shared::default(),
    };
    let paths = describing.paths();
    describing.schemas.subschema_for::<Document<'_>>();
    let mut schemas = describing.schemas.take_definitions(true);
    schemas.extend(describing.requests);
    let further = (!settings.table.further.is_empty()).then_some(operations::FURTHER);
    let tags = operations::TAGS.into_iter().chain(further);
    let tag = |(name, about): (&str, &str)| json!({"name": name, "description": about});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "wesal-gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": about(),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The gateway that serves this document."}],
        "tags": tags.map(tag).collect::<Vec<_>>(),
        "security": CREDENTIALS.map(|scheme| json!({scheme: []})),
        "paths": paths,
        // What is answered where there is no operation.
        "x-elsewhere": errors::elsewhere(),
        "components": {
            "schemas": schemas,
            "responses": describing.shared.responses(),
            "headers": headers::all(),
            "parameters": headers::parameters(),
            "securitySchemes": headers::security_schemes(),
        },
    })
}

fn about() -> String {
    format!(
        "A caching gateway for the Wesal API: Wesal's own routes, with a gateway key in the place of Wesal's \
    token. A success is Wesal's answer, value for value; an error is a problem document (RFC 9457) that says what to \
    do, and whose `code` is what to branch on.\n\nRequests are checked before anything is spent: an unknown field or query \
    parameter, a doubled member, and a body that is nested more than {MAX_DEPTH} deep are refused. An unknown path is a 404 \
    `not_found`, a method that a path does not take a 405 `method_not_allowed` with `Allow`. On any path, a \
    request of HTTP/1.1 without a `Host`, or with two, is a 400 `invalid_request`. Only what is no HTTP \
    request, or has a head too large to read, gets a bare 400, 414 or 431, without a body and an `X-Request-Id`."
    )
}

/// Any one of them will do.
const CREDENTIALS: [&str; 4] = ["key", "bearerKey", "apiKey", "session"];

struct Describing<'a> {
    settings: &'a Settings,
    max_queues: usize,
    freshness: &'a CacheConfig,
    routes: &'a [RouteConfig],
    schemas: SchemaGenerator,
    /// The schemas of what is posted.
    requests: Map<String, Value>,
    shared: Shared,
}

impl Describing<'_> {
    fn paths(&mut self) -> Map<String, Value> {
        // A further route's path can take two methods, each for itself.
        let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        let table = &self.settings.table;
        for endpoint in table.all() {
            for path in table.paths(endpoint) {
                let alias = path.ends_with(crate::http::route_table::LOGOUT_ALIAS);
                let item = paths.entry(path).or_default();
                for method in [Method::GET, Method::HEAD, Method::POST] {
                    if endpoint.takes(&method) {
                        item.insert(method.as_str().to_ascii_lowercase(), self.operation(endpoint, &method, alias));
                    }
                }
            }
        }
        paths.into_iter().map(|(path, item)| (path, item.into())).collect()
    }

    fn operation(&mut self, endpoint: Endpoint, method: &Method, alias: bool) -> Value {
        let words = operations::words(endpoint);
        let (mut id, mut summary, mut about) =
            (words.id.into_owned(), words.summary.into_owned(), words.about.into_owned());
        if alias {
            id.push_str("_too");
            summary.push_str(", at its other path");
            about.push_str(" Wesal's reference names this path in its text, and `/auth/logout` in its example.");
        }
        if method == Method::HEAD {
            id.push_str("_head");
            about.push_str(" As the GET, without the body.");
        }
        let mut responses = self.successes(endpoint);
        let mut errors = self.shared.errors(endpoint);
        if let (Endpoint::Readiness, Some(not_ready)) = (endpoint, errors.get_mut("503")) {
            *not_ready = self.not_ready();
        }
        responses.append(&mut errors);
        let mut operation = json!({
            "operationId": id,
            "tags": [words.tag],
            "summary": summary,
            "description": about,
            "parameters": self.parameters(endpoint),
            "responses": responses,
        });
        let Some(object) = operation.as_object_mut() else { return operation };
        match endpoint {
            Endpoint::Liveness
            | Endpoint::Readiness
            | Endpoint::OpenApi
            | Endpoint::Docs(_)
            | Endpoint::Mirrored(Route::Login) => {
                object.insert("security".to_owned(), json!([]));
            }
            Endpoint::Mirrored(Route::Reset | Route::Verify) => {
                let schemes = CREDENTIALS.iter().chain(&["clientIdKey"]).map(|scheme| json!({*scheme: []}));
                object.insert("security".to_owned(), schemes.collect());
            }
            Endpoint::Mirrored(_) => {}
        }
        if let Endpoint::Mirrored(route) = endpoint {
            let scope = match route {
                Route::Further(further) => {
                    self.routes.iter().find(|config| config.is_source_of(further)).map(|config| config.scope)
                }
                route => route.scope(),
            };
            if let Some(scope) = scope {
                object.insert("x-scope".to_owned(), scope.as_str().into());
            }
            if let Some(freshness) = freshness::of(route, self.freshness, self.routes) {
                object.insert("x-freshness".to_owned(), freshness);
            }
            if let Some(body) = bodies::request(route, self.settings, self.max_queues, &mut self.requests) {
                object.insert("requestBody".to_owned(), body);
            }
        }
        operation
    }

    fn parameters(&self, endpoint: Endpoint) -> Vec<Value> {
        let named = |name: &str| json!({"$ref": format!("#/components/parameters/{name}")});
        let mut parameters = vec![named("RequestId")];
        match endpoint {
            Endpoint::Liveness | Endpoint::Readiness => return parameters,
            Endpoint::OpenApi | Endpoint::Docs(_) => parameters.push(named("IfNoneMatch")),
            Endpoint::Mirrored(route) => {
                parameters.push(named("TraceParent"));
                match route {
                    Route::Login => parameters.push(named("ClientId")),
                    Route::Logout | Route::Reset | Route::Verify => {}
                    Route::Organization | Route::Questions | Route::Further(Further { is_gotten: true, .. }) => {
                        parameters.extend([named("IfNoneMatch"), named("RequestCacheControl")]);
                    }
                    Route::Surveys
                    | Route::QueueSummary
                    | Route::QueueActivity
                    | Route::QueuePerformance
                    | Route::Further(_) => {
                        parameters.push(named("RequestCacheControl"));
                    }
                }
                let own = match route {
                    Route::Questions => {
                        parameters.push(super::handlers::questions::parameter_described());
                        &[][..]
                    }
                    Route::Further(further) => {
                        parameters.extend(super::handlers::custom::parameters_described(further));
                        &further.query
                    }
                    _ => &[],
                };
                let about = if matches!(route, Route::Login | Route::Logout) {
                    "Accepted (`upstream.forward_query`), and ignored: Wesal is not asked here."
                } else {
                    "Handed on to Wesal (`upstream.forward_query`); once at most."
                };
                let forwarded = |name: &String, about: &str| json!({"name": name, "in": "query", "description": about, "schema": {"type": "string"}});
                let own_about = "Handed on to Wesal; once at most.";
                parameters.extend(own.iter().map(|name| forwarded(name, own_about)));
                let further = self.settings.forward_query.iter().filter(|name| !own.contains(name));
                parameters.extend(further.map(|name| forwarded(name, about)));
            }
        }
        parameters
    }

    fn successes(&mut self, endpoint: Endpoint) -> Map<String, Value> {
        let mut successes = Map::new();
        let mut insert = |status: u16, response: Value| successes.insert(status.to_string(), response);
        let not_modified = |headers: Map<String, Value>| json!({"description": "What `If-None-Match` names is still the answer.", "headers": headers});
        match endpoint {
            Endpoint::Liveness => {
                let content = json!({"text/plain": {"schema": {"type": "string"}, "example": "alive\n"}});
                let headers = headers::named(["Cache-Control"]);
                insert(200, json!({"description": "It does.", "headers": headers, "content": content}));
            }
            Endpoint::Readiness => {
                let schema = self.schemas.subschema_for::<Readiness>();
                let content =
                    json!({"application/json": {"schema": schema, "example": {"ready": true, "reasons": []}}});
                let headers = headers::named(["Cache-Control"]);
                insert(200, json!({"description": "They can.", "headers": headers, "content": content}));
            }
            Endpoint::OpenApi => {
                let content = json!({"application/json": {"schema": {"type": "object"}}});
                let headers = headers::named(["Cache-Control", "ETag"]);
                insert(200, json!({"description": "The document.", "headers": headers, "content": content}));
                insert(304, not_modified(headers));
            }
            Endpoint::Docs(page) => {
                let content = json!({page.media_type(): {"schema": {"type": "string"}}});
                let headers = headers::named(["Cache-Control", "ETag"]);
                insert(200, json!({"description": "What was asked for.", "headers": headers, "content": content}));
                insert(304, not_modified(headers));
            }
            Endpoint::Mirrored(route) => {
                let kept = !route.is_of_account();
                let conditional = kept && route.is_gotten();
                let headers = headers::of_success(kept, conditional);
                let content = bodies::answer(route, &mut self.schemas);
                insert(200, json!({"description": "The answer.", "headers": headers, "content": content}));
                if conditional {
                    insert(304, not_modified(headers));
                }
            }
        }
        successes
    }

    /// The one status that is told in two forms.
    fn not_ready(&mut self) -> Value {
        let readiness = self.schemas.subschema_for::<Readiness>();
        let reason = json!({"ready": false, "reasons": ["login: not logged in at the vendor yet"]});
        let problem = json!({"schema": {"$ref": "#/components/schemas/Problem"}});
        json!({
            "description": "They cannot; or, as a problem document, the process is ending this very moment.",
            "headers": headers::named(["Cache-Control"]),
            "content": {
                "application/json": {"schema": readiness, "example": reason},
                "application/problem+json": problem,
            },
        })
    }
}
