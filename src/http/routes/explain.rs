use axum::{
    Json,
    http::{Method, Uri},
    response::{IntoResponse, Response},
};

use super::{
    questions, queues,
    serve::{parameters, read_gotten, read_posted},
    surveys,
};
use crate::{
    http::{
        app::App,
        code::Code,
        extract::{Fields, Form, parse_json, readers},
        problem::{Fault, Problem},
        router::Endpoint,
    },
    model::{Json as Value, Query, Route, Subject},
};

/// What would become of a request, which `asked` holds as `{"method"?, "path", "body"?}`, if a caller with every right sent
/// it now. Nothing is fetched, and nothing counts as interest. Looks at all that is held: not for a thread that answers.
pub fn explain(app: &App, asked: &[u8], request_id: &str) -> Response {
    match read(app, asked) {
        Ok(query) => Json(app.parts.explain(&query)).into_response(),
        Err(problem) => problem.render(request_id),
    }
}

fn read(app: &App, asked: &[u8]) -> Result<Query, Problem> {
    let mut fields = Fields::of(parse_json(asked)?)?;
    let method = fields.optional("method", readers::Text, "The method, if it matters.");
    let path = fields.required("path", readers::Text, "The path, with the base path or without.");
    let body = fields.optional("body", readers::Anything, "What would be posted.");
    fields.forwarded(&[]);
    let Some(path) = path.filter(|_| fields.are_good()) else { return Err(fields.refusal()) };
    let wrong = |pointer, why| {
        let detail = "There is no such question; `errors` says why.";
        Err(Problem::new(Code::InvalidRequest, detail).with_faults(vec![Fault::at(pointer, why)]))
    };
    let Ok(uri) = path.parse::<Uri>() else { return wrong("/path", "this is no path") };
    let settings = &app.settings;
    // With the base path or without, as the reference writes it.
    let route = match [settings.base_path.as_str(), ""].into_iter().find_map(|base| Endpoint::find(base, uri.path())) {
        Some(Endpoint::Mirrored(route))
            if !matches!(route, Route::Login | Route::Logout | Route::Reset | Route::Verify) =>
        {
            route
        }
        _ => return wrong("/path", "no route whose answers are kept has this path"),
    };
    let is_its =
        |method: &String| Method::from_bytes(method.as_bytes()).is_ok_and(|m| Endpoint::Mirrored(route).takes(&m));
    if !method.as_ref().is_none_or(is_its) {
        return wrong("/method", "this path does not take it");
    }
    let mut text = String::new();
    if let Some(body) = &body {
        Value::write(body, &mut text);
    }
    let posted = |subject: &dyn Fn(&mut Fields) -> Option<Subject>| {
        read_posted(settings, parameters(settings, &uri)?, text.as_bytes(), subject)
    };
    let most = app.known().max_queues;
    match route {
        Route::Questions => read_gotten(settings, &uri, || questions::company(uri.path()).map(Subject::Questions)),
        Route::Surveys => posted(&|fields| surveys::subject(fields)),
        Route::QueueSummary | Route::QueueActivity | Route::QueuePerformance => {
            posted(&|fields| queues::subject(route, most, fields))
        }
        Route::Organization | Route::Login | Route::Logout | Route::Reset | Route::Verify => {
            read_gotten(settings, &uri, || Ok(Subject::Organization))
        }
    }
}
