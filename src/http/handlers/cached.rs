use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, Uri, header, request::Parts},
    response::Response,
};

use crate::{
    fetch::{Demand, Failure, PreparedQuery, Served},
    http::{
        cache_control::demand,
        cache_headers::{cache_headers, copy_if_none_match, none_match_names},
        context::{Admission, RequestContext},
        extract::{Fields, parse_json, query_parameters, read_body},
        problem::Problem,
        settings::Settings,
        state::AppState,
    },
    model::{Forwarded, Query, Route, Subject},
};

/// Reads and validates a query by POST. `subject` takes its fields out of the body and returns `None` only if it noted an
/// error. `most` is the bound on its queues and part of the key, so that a changed bound validates the query again.
///
/// The body and its parsed JSON are dropped here: while the request waits for the vendor, it holds the shape alone.
pub(crate) async fn parse_post(
    app: &AppState,
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
pub(crate) fn parse_post_query(
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
pub(crate) async fn read_fields(app: &AppState, head: &Parts, body: Body) -> Result<Fields, Problem> {
    Fields::of(parse_json(&raw_body(app, head, body).await?)?)
}

async fn raw_body(app: &AppState, head: &Parts, body: Body) -> Result<Bytes, Problem> {
    let settings = &app.settings;
    read_body(&head.headers, body, settings.max_body, settings.body_timeout, app.clock.as_ref()).await
}

/// A query by GET.
pub(crate) fn parse_get(
    app: &AppState,
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
pub(crate) fn parse_get_query(
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
pub(crate) fn parameters(settings: &Settings, route: Route, uri: &Uri) -> Result<BTreeMap<String, String>, Problem> {
    let own = if let Route::Further(further) = route { &further.query[..] } else { &[] };
    query_parameters(uri.query(), &[own, &settings.forward_query])
}

/// Responds to a query by POST.
pub(crate) async fn respond_post(
    context: &RequestContext,
    query: &Arc<PreparedQuery>,
    head: Parts,
) -> Result<Response, Problem> {
    let demand = caller_demand(context, head)?;
    let served = lookup(context, query, demand).await?;
    let body = served.body.clone();
    Ok(build_response(&served, body, None))
}

/// Responds to a query by GET, which may be conditional. `view` returns what the caller may see of the cached bytes, and
/// its entity tag.
pub(crate) async fn respond_get(
    context: &RequestContext,
    query: &Arc<PreparedQuery>,
    head: Parts,
    view: impl FnOnce(&Served) -> Result<(Bytes, Bytes), Problem>,
) -> Result<Response, Problem> {
    let conditions = copy_if_none_match(&head.headers);
    let demand = caller_demand(context, head)?;
    let served = lookup(context, query, demand).await?;
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
fn caller_demand(context: &RequestContext, head: Parts) -> Result<Demand, Problem> {
    let caller = &context.admission()?.identity.caller;
    Ok(if caller.may_refresh { demand(&head.headers) } else { Demand::default() })
}

/// Checks the caller's right to the company and the queues, then looks the query up.
async fn lookup(context: &RequestContext, query: &Arc<PreparedQuery>, demand: Demand) -> Result<Served, Problem> {
    let Admission { identity, .. } = context.admission()?;
    let caller = &identity.caller;
    caller.authorize(query.shape().company(), query.queues())?;
    let viewer = (&caller.name, caller.is_unrestricted());
    match context.state().parts.get(query, demand, viewer, context.span()).await {
        Ok(served) => {
            context.record_cache(&served);
            Ok(served)
        }
        Err(Failure { error, effort }) => {
            context.record_effort(effort);
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
pub(crate) fn whole_body(served: &Served) -> (Bytes, Bytes) {
    (served.body.clone(), served.etag.clone().unwrap_or_default())
}
