use axum::{http::request::Parts, response::Response};

use super::serve::{parse_get, respond_get, whole_body};
use crate::{
    cache::entity_tag,
    callers::{Caller, NotUnderstood, only_companies},
    fetch::Served,
    http::{access_log::Line, app::App, problem::Problem},
    model::{Route, Subject},
    upstream::UpstreamError,
};

/// `GET /queries/organization`. A caller that is held to some companies sees only those listed.
pub(in crate::http) async fn get_organization(
    app: &App,
    caller: &Caller,
    head: Parts,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    let query = parse_get(app, &head, Route::Organization, || Ok(Subject::Organization))?;
    let view = |served: &Served| match caller.companies() {
        None => Ok(whole_body(served)),
        Some(mine) => {
            let body = only_companies(&served.body, mine).map_err(|NotUnderstood| {
                Problem::from(UpstreamError::InvalidResponse("its list of companies is not understood"))
            })?;
            let etag = entity_tag(&body);
            Ok((body, etag))
        }
    };
    respond_get(app, caller, &query, head, line, view).await
}
