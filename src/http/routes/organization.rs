use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    response::Response,
};

use super::serve::{answer_gotten, as_kept, gotten};
use crate::{
    cache::entity_tag,
    callers::{NotUnderstood, only_companies},
    http::{admit::Admitted, app::App, problem::Problem},
    model::Subject,
    upstream::UpstreamError,
};

/// `GET /queries/organization`. A caller that is held to some companies sees only those listed.
pub(in crate::http) async fn get_organization(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Admitted>,
    request: Request,
) -> Response {
    let query = gotten(&app, &request, Subject::Organization);
    let view = |served: &crate::fetch::Served| match caller.companies() {
        None => as_kept(served),
        Some(mine) => {
            let body = only_companies(&served.body, mine).map_err(|NotUnderstood| {
                Problem::from(UpstreamError::InvalidResponse("its list of companies is not understood"))
            })?;
            let etag = entity_tag(&body);
            Ok((body, etag))
        }
    };
    answer_gotten(&app, &caller, query, request.headers(), view).await
}
