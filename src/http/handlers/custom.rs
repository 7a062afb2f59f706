//! The routes that the configuration names: documents, of which nothing is known but that they are JSON.

use axum::{extract::Request, response::Response};
use serde_json::{Value, json};

use super::cached::{parse_get, parse_post, respond_get, respond_post, whole_body};
use crate::{
    config::{RouteConfig, RouteMethod},
    http::{
        context::RequestContext,
        error_code::ErrorCode,
        extract::{Fields, Reader, readers},
        problem::{FieldError, Problem},
        route_table::RouteTable,
    },
    model::{BadParameter, COMPANY_PARAMETER, FilledPath, Further, FurtherQuery, Route, RoutePath, Subject},
};

/// Returns the routes of `[[routes]]`, one per method, in their order. They live as long as the process: to be called
/// once.
pub fn custom_routes(routes: &[RouteConfig]) -> Vec<&'static Further> {
    let each = routes.iter().flat_map(|route| route.methods.iter().map(move |method| (route, method)));
    let custom = each.enumerate().map(|(index, (route, method))| Further {
        index,
        path: route.path.clone(),
        is_gotten: *method == RouteMethod::Get,
        query: route.query.clone(),
    });
    custom.map(|custom| &*Box::leak(Box::new(custom))).collect()
}

/// A custom route, by GET or by POST.
pub(crate) async fn handle_custom_route(
    route: &'static Further,
    context: RequestContext,
    request: Request,
) -> Result<Response, Problem> {
    let state = context.state();
    let (head, body) = request.into_parts();
    let table = &state.settings.table;
    let path = filled(table, route, table.below_base(head.uri.path()))?;
    if route.is_gotten {
        let query = parse_get(state, &head, Route::Further(route), || Ok(document(route, path)))?;
        return respond_get(&context, &query, head, |served| Ok(whole_body(served))).await;
    }
    let subject = |fields: &mut Fields| Some(posted_document(route, path, fields));
    let query = parse_post(state, (Route::Further(route), 0), &head, body, subject).await?;
    respond_post(&context, &query, head).await
}

/// The path to ask the vendor for. `path` is below the base path.
pub(crate) fn filled(table: &RouteTable, route: &'static Further, path: &str) -> Result<FilledPath, Problem> {
    let filled = route.path.filled(path).map_err(|BadParameter { name, why }| {
        let detail = "The path is not accepted; `errors` says which of its parameters, and why.";
        Problem::new(ErrorCode::InvalidRequest, detail).with_errors(vec![FieldError::parameter(name, why)])
    })?;
    if table.leads_to(route, &filled.target) { Ok(filled) } else { Err(Problem::not_found()) }
}

/// What a GET asks for.
pub(crate) fn document(route: &'static Further, path: FilledPath) -> Subject {
    Subject::Further(FurtherQuery { route, path, members: None })
}

/// What a POST asks for: each of its body's members is the route's own.
pub(crate) fn posted_document(route: &'static Further, path: FilledPath, fields: &mut Fields) -> Subject {
    Subject::Further(FurtherQuery { route, path, members: Some(fields.all()) })
}

/// The path's parameters, for the description.
pub(crate) fn parameters_described(route: &Further) -> Vec<Value> {
    let described = |name: &str| {
        let schema = match name {
            COMPANY_PARAMETER => readers::Company.schema(),
            _ => json!({"type": "string", "pattern": RoutePath::VALUE_PATTERN}),
        };
        let about = "One segment of the path; it may hold no slash and no control character.";
        json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema})
    };
    route.path.parameters().map(described).collect()
}
