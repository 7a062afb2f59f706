use axum::{http::request::Parts, response::Response};

use super::serve::{answer_gotten, as_kept, gotten};
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
    head: &Parts,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    let question = gotten(app, head, Route::Organization, || Ok(Subject::Organization))?;
    let view = |served: &Served| match caller.companies() {
        None => Ok(as_kept(served)),
        Some(mine) => {
            let body = only_companies(&served.body, mine).map_err(|NotUnderstood| {
                Problem::from(UpstreamError::InvalidResponse("its list of companies is not understood"))
            })?;
            let etag = entity_tag(&body);
            Ok((body, etag))
        }
    };
    answer_gotten(app, caller, &question, head, line, view).await
}
