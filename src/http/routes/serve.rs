use std::collections::BTreeMap;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    callers::Caller,
    fetch::{Demand, Failure, Served, Tally},
    http::{
        access_log::Provenance,
        app::App,
        cache_control::demand,
        cache_headers::{cache_headers, none_match_names},
        extract::{Fields, query_parameters, read_json},
        problem::Problem,
    },
    model::{Forwarded, Query, Subject},
};

/// A query by POST: `subject` takes the fields it knows out of the body and notes what is wrong; it gives
/// nothing only where something was.
pub(super) async fn posted(
    app: &App,
    request: Request,
    subject: impl FnOnce(&mut Fields) -> Option<Subject>,
) -> Result<Query, Problem> {
    let query = parameters(app, &request)?;
    let mut fields = read_fields(app, request).await?;
    let subject = subject(&mut fields);
    let forwarded = Forwarded { query, fields: fields.forwarded(&app.settings.forward_fields) };
    match subject {
        Some(subject) if fields.are_good() => Ok(Query { subject, forwarded }),
        _ => Err(fields.refusal()),
    }
}

/// The top-level fields of a request's body.
pub(super) async fn read_fields(app: &App, request: Request) -> Result<Fields, Problem> {
    let (parts, body) = request.into_parts();
    let settings = &app.settings;
    let clock = app.clock.as_ref();
    let json = read_json(&parts.headers, body, settings.max_body, settings.body_timeout, clock).await?;
    Fields::of(json)
}

/// A query by GET.
pub(super) fn gotten(app: &App, request: &Request, subject: Subject) -> Result<Query, Problem> {
    let forwarded = Forwarded { query: parameters(app, request)?, fields: BTreeMap::new() };
    Ok(Query { subject, forwarded })
}

/// The query parameters that may be forwarded; any other is refused.
pub(super) fn parameters(app: &App, request: &Request) -> Result<BTreeMap<String, String>, Problem> {
    query_parameters(request.uri().query(), &app.settings.forward_query)
}

/// The answer to `query`, if `caller` may have it.
pub(super) async fn answer_posted(
    app: &App,
    caller: &Caller,
    query: Result<Query, Problem>,
    demand: Demand,
) -> Response {
    match find(app, caller, query, demand).await {
        Ok(served) => {
            let body = served.body.clone();
            answered(&served, body, None)
        }
        Err(response) => response,
    }
}

/// The same for a GET, which may be conditional. `view` makes of the kept bytes what this caller may see.
pub(super) async fn answer_gotten(
    app: &App,
    caller: &Caller,
    query: Result<Query, Problem>,
    headers: &HeaderMap,
    view: impl FnOnce(&Served) -> Result<(Bytes, Box<str>), Problem>,
) -> Response {
    let served = match find(app, caller, query, demand_of(caller, headers)).await {
        Ok(served) => served,
        Err(response) => return response,
    };
    match view(&served) {
        Ok((_, etag)) if none_match_names(headers, &etag) => {
            let mut response = answered(&served, Bytes::new(), Some(&etag));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_TYPE);
            response
        }
        Ok((body, etag)) => answered(&served, body, Some(&etag)),
        Err(problem) => problem.into_response(),
    }
}

/// What the request demands of freshness, if its caller may demand anything.
pub(super) fn demand_of(caller: &Caller, headers: &HeaderMap) -> Demand {
    if caller.may_refresh { demand(headers) } else { Demand::default() }
}

/// Every right is checked before the cache is read.
async fn find(app: &App, caller: &Caller, query: Result<Query, Problem>, demand: Demand) -> Result<Served, Response> {
    let query = query.map_err(IntoResponse::into_response)?;
    caller.may_ask(&query).map_err(|forbidden| Problem::from(forbidden).into_response())?;
    app.parts.get(&query, demand, caller.sees_all_queues()).await.map_err(|Failure { error, effort }| {
        let mut response = Problem::from(error).into_response();
        response.extensions_mut().insert(Provenance { found: None, parts: Tally::default(), effort });
        response
    })
}

fn answered(served: &Served, body: Bytes, etag: Option<&str>) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    cache_headers(served, etag, headers);
    response.extensions_mut().insert(Provenance {
        found: Some(served.found),
        parts: served.parts,
        effort: served.effort,
    });
    response
}

/// The whole answer, as it is kept.
pub(super) fn as_kept(served: &Served) -> Result<(Bytes, Box<str>), Problem> {
    Ok((served.body.clone(), served.etag.clone().unwrap_or_default()))
}
