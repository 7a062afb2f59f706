use axum::{
    Json,
    http::{Method, Uri},
    response::{IntoResponse, Response},
};

use crate::{
    http::{
        AppState,
        error_code::ErrorCode,
        extract::{Fields, Form, parse_json, readers},
        handlers::{
            cached::{parameters, parse_get_query, parse_post_query},
            custom, questions, queues, surveys,
        },
        problem::{FieldError, Problem},
        route_table::Endpoint,
    },
    model::{Json as Value, Query, Route, Subject},
};

/// Returns what a request would cause if a caller with every right sent it now. `asked` holds the request as
/// `{"method"?, "path", "body"?}`. Nothing is fetched, and nothing counts as interest. It looks at the whole cache: not for a
/// thread that responds to callers.
pub(super) fn explain(app: &AppState, asked: &[u8]) -> Result<Response, Problem> {
    let query = parse_target(app, asked)?;
    Ok(Json(app.parts.explain(&query)).into_response())
}

fn parse_target(app: &AppState, asked: &[u8]) -> Result<Query, Problem> {
    let mut fields = Fields::of(parse_json(asked)?)?;
    let method = fields.optional("method", readers::Text, "The method, if it matters.");
    let path = fields.required("path", readers::Text, "The path, with the base path or without.");
    let body = fields.optional("body", readers::Anything, "What would be posted.");
    fields.forwarded(&[]);
    let Some(path) = path.filter(|_| fields.are_good()) else { return Err(fields.refusal()) };
    let wrong = |pointer, why| {
        let detail = "There is no such question; `errors` says why.";
        Err(Problem::new(ErrorCode::InvalidRequest, detail).with_errors(vec![FieldError::at(pointer, why)]))
    };
    let Ok(uri) = path.parse::<Uri>() else { return wrong("/path", "this is no path") };
    let settings = &app.settings;
    let named = match method.as_ref().map(|method| Method::from_bytes(method.as_bytes())) {
        Some(Err(_)) => return wrong("/method", "this is no method"),
        Some(Ok(method)) => Some(method),
        None => None,
    };
    // A path that takes both is asked for with what it is given.
    let likely = || if body.is_some() { Method::POST } else { Method::GET };
    let method = named.clone().unwrap_or_else(likely);
    // With the base path or without, as the reference writes it.
    let path = settings.table.below_base(uri.path());
    let endpoint = settings.table.find_mirrored(&method, path);
    let Some(endpoint @ Endpoint::Mirrored(route)) = endpoint.filter(|endpoint| !endpoint.is_of_account()) else {
        return wrong("/path", "no route whose answers are kept has this path");
    };
    if !named.is_none_or(|method| endpoint.takes(&method)) {
        return wrong("/method", "this path does not take it");
    }
    let mut text = String::new();
    if let Some(body) = &body {
        Value::write(body, &mut text);
    }
    let posted = |subject: &dyn Fn(&mut Fields) -> Option<Subject>| {
        parse_post_query(settings, parameters(settings, route, &uri)?, text.as_bytes(), subject)
    };
    let most = app.config_snapshot().max_queues;
    match route {
        Route::Questions => {
            parse_get_query(settings, route, &uri, || questions::company(uri.path()).map(Subject::Questions))
        }
        Route::Further(further) if further.is_gotten => {
            let path = custom::filled(&settings.table, further, path)?;
            parse_get_query(settings, route, &uri, || Ok(custom::document(further, path)))
        }
        Route::Further(further) => {
            let path = custom::filled(&settings.table, further, path)?;
            posted(&|fields| Some(custom::posted_document(further, path.clone(), fields)))
        }
        Route::Surveys => posted(&|fields| surveys::subject(fields)),
        Route::QueueSummary | Route::QueueActivity | Route::QueuePerformance => {
            posted(&|fields| queues::subject(route, most, fields))
        }
        Route::Organization | Route::Login | Route::Logout | Route::Reset | Route::Verify => {
            parse_get_query(settings, route, &uri, || Ok(Subject::Organization))
        }
    }
}
