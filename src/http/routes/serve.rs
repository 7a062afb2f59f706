use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, Uri, header, request::Parts},
    response::Response,
};

use crate::{
    callers::Caller,
    fetch::{Demand, Failure, PreparedQuery, Served},
    http::{
        access_log::Line,
        app::{App, Settings},
        cache_control::demand,
        cache_headers::{cache_headers, copy_if_none_match, none_match_names},
        extract::{Fields, parse_json, query_parameters, read_body},
        problem::Problem,
    },
    model::{Forwarded, Query, Route, Subject},
};

/// Reads and validates a query by POST. `subject` takes its fields out of the body and returns `None` only if it noted an
/// error. `most` is the bound on its queues and part of the key, so that a changed bound validates the query again.
///
/// The body and its parsed JSON are dropped here: while the request waits for the vendor, it holds the shape alone.
pub(super) async fn parse_post(
    app: &App,
    (route, most): (Route, usize),
    head: &Parts,
    body: Body,
    subject: impl FnOnce(&mut Fields) -> Option<Subject>,
) -> Result<Arc<PreparedQuery>, Problem> {
    let query = parameters(&app.settings, route, &head.uri)?;
    // Survey filters can hold a phone number, and of further routes it is not known: they are not remembered. And few who
    // ask send a query with a POST.
    let remembered = !matches!(route, Route::Surveys | Route::Further(_)) && query.is_empty();
    let body = raw_body(app, head, body).await?;
    let read = || parse_post_query(&app.settings, query, &body, subject);
    match remembered {
        true => app.parts.prepare(&request_key(route, most, &body), read),
        false => Ok(Arc::new(PreparedQuery::once(&read()?))),
    }
}

/// The query that a body is, with the query parameters that may be forwarded.
pub(super) fn parse_post_query(
    settings: &Settings,
    query: BTreeMap<String, String>,
    body: &[u8],
    subject: impl FnOnce(&mut Fields) -> Option<Subject>,
) -> Result<Query, Problem> {
    let mut fields = Fields::of(parse_json(body)?)?;
    let subject = subject(&mut fields);
    let forwarded = Forwarded { query, fields: fields.forwarded(&settings.forward_fields) };
    match subject {
        Some(subject) if fields.are_good() => Ok(Query { subject, forwarded }),
        _ => Err(fields.refusal()),
    }
}

/// The top-level fields of a request's body.
pub(super) async fn read_fields(app: &App, head: &Parts, body: Body) -> Result<Fields, Problem> {
    Fields::of(parse_json(&raw_body(app, head, body).await?)?)
}

async fn raw_body(app: &App, head: &Parts, body: Body) -> Result<Bytes, Problem> {
    let settings = &app.settings;
    read_body(&head.headers, body, settings.max_body, settings.body_timeout, app.clock.as_ref()).await
}

/// A query by GET.
pub(super) fn parse_get(
    app: &App,
    head: &Parts,
    route: Route,
    subject: impl FnOnce() -> Result<Subject, Problem>,
) -> Result<Arc<PreparedQuery>, Problem> {
    let read = || parse_get_query(&app.settings, route, &head.uri, subject);
    if matches!(route, Route::Further(_)) {
        return Ok(Arc::new(PreparedQuery::once(&read()?)));
    }
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    app.parts.prepare(&request_key(route, 0, target.as_bytes()), read)
}

/// The query that a target is.
pub(super) fn parse_get_query(
    settings: &Settings,
    route: Route,
    uri: &Uri,
    subject: impl FnOnce() -> Result<Subject, Problem>,
) -> Result<Query, Problem> {
    let forwarded = Forwarded { query: parameters(settings, route, uri)?, fields: BTreeMap::new() };
    Ok(Query { subject: subject()?, forwarded })
}

/// The key of the memo: requests with equal keys are the same query.
fn request_key(route: Route, most: usize, asked: &[u8]) -> Vec<u8> {
    let mut words = Vec::with_capacity(asked.len() + 56);
    words.extend_from_slice(&most.to_be_bytes());
    words.extend_from_slice(route.template().as_bytes());
    words.push(0);
    words.extend_from_slice(asked);
    words
}

/// The query parameters that may be forwarded; any other is refused.
pub(super) fn parameters(settings: &Settings, route: Route, uri: &Uri) -> Result<BTreeMap<String, String>, Problem> {
    let own = if let Route::Further(further) = route { &further.query[..] } else { &[] };
    query_parameters(uri.query(), &[own, &settings.forward_query])
}

/// Answers a query by POST, after checking the rights of `caller`.
pub(super) async fn respond_post(
    app: &App,
    caller: &Caller,
    query: &Arc<PreparedQuery>,
    head: Parts,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    let demand = caller_demand(caller, head);
    let served = lookup(app, caller, query, demand, line).await?;
    let body = served.body.clone();
    Ok(build_response(&served, body, None))
}

/// The same for a GET, which may be conditional. `view` makes of the kept bytes what this caller may see.
pub(super) async fn respond_get(
    app: &App,
    caller: &Caller,
    query: &Arc<PreparedQuery>,
    head: Parts,
    line: &mut Line<'_>,
    view: impl FnOnce(&Served) -> Result<(Bytes, Bytes), Problem>,
) -> Result<Response, Problem> {
    let conditions = copy_if_none_match(&head.headers);
    let demand = caller_demand(caller, head);
    let served = lookup(app, caller, query, demand, line).await?;
    let (body, etag) = view(&served)?;
    if !none_match_names(&conditions, &etag) {
        return Ok(build_response(&served, body, Some(etag)));
    }
    let mut response = build_response(&served, Bytes::new(), Some(etag));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().remove(header::CONTENT_TYPE);
    Ok(response)
}

/// Returns what the request demands, and drops its head: header values are slices of hyper's read buffer, which would
/// otherwise stay with the request while it waits for the vendor.
fn caller_demand(caller: &Caller, head: Parts) -> Demand {
    if caller.may_refresh { demand(&head.headers) } else { Demand::default() }
}

/// Every right is checked before the cache is read.
async fn lookup(
    app: &App,
    caller: &Caller,
    query: &Arc<PreparedQuery>,
    demand: Demand,
    line: &mut Line<'_>,
) -> Result<Served, Problem> {
    caller.may_ask(query.shape().company(), query.queues())?;
    match app.parts.get(query, demand, (&caller.name, caller.sees_all_queues()), &mut line.span).await {
        Ok(served) => {
            line.served(&served);
            Ok(served)
        }
        Err(Failure { error, effort }) => {
            line.effort = effort;
            Err(error.into())
        }
    }
}

fn build_response(served: &Served, body: Bytes, etag: Option<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    // At once for all that come, those of the stack too.
    headers.reserve(12);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    cache_headers(served, etag, headers);
    response
}

/// The whole answer, as it is kept.
pub(super) fn whole_body(served: &Served) -> (Bytes, Bytes) {
    (served.body.clone(), served.etag.clone().unwrap_or_default())
}
