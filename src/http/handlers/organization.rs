use axum::{extract::Request, response::Response};

use super::cached::{parse_get, respond_get, whole_body};
use crate::{
    auth::{UnexpectedShape, filter_companies},
    cache::entity_tag,
    fetch::Served,
    http::{context::RequestContext, problem::Problem},
    model::{Route, Subject},
    upstream::UpstreamError,
};

/// `GET /queries/organization`. A caller that is held to some companies sees only those listed.
pub(in crate::http) async fn get_organization(context: RequestContext, request: Request) -> Result<Response, Problem> {
    let state = context.state();
    let (head, _) = request.into_parts();
    let query = parse_get(state, &head, Route::Organization, || Ok(Subject::Organization))?;
    let caller = &context.admission()?.identity.caller;
    let view = |served: &Served| match caller.companies() {
        None => Ok(whole_body(served)),
        Some(companies) => {
            let body = filter_companies(&served.body, companies).map_err(|UnexpectedShape| {
                Problem::from(UpstreamError::InvalidResponse("its list of companies is not understood"))
            })?;
            let etag = entity_tag(&body);
            Ok((body, etag))
        }
    };
    respond_get(&context, &query, head, view).await
}
