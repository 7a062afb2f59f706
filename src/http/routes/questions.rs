use std::sync::Arc;

use axum::{
    Extension,
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    response::Response,
};

use super::serve::{answer_gotten, as_kept, gotten};
use crate::{
    http::{
        admit::Admitted,
        app::App,
        code::Code,
        problem::{Fault, Problem},
    },
    model::{CompanyId, Subject},
};

/// `GET /survey/queries/questions/{companyId}`
pub(in crate::http) async fn get_questions(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Admitted>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Response {
    let query = company(path).and_then(|company| gotten(&app, &request, Subject::Questions(company)));
    answer_gotten(&app, &caller, query, request.headers(), as_kept).await
}

/// A path that does not decode to UTF-8 is refused like one that is no number.
fn company(path: Result<RawPathParams, RawPathParamsRejection>) -> Result<CompanyId, Problem> {
    let path = path.ok();
    let text = path.as_ref().and_then(|path| path.iter().next()).map(|(_, text)| text);
    text.unwrap_or_default().parse().map_err(|error: crate::model::InvalidCompanyId| {
        let fault = Fault::parameter("companyId", error.to_string());
        let detail = "The path must end with a company id; get_organization lists them.";
        Problem::new(Code::InvalidRequest, detail).with_faults(vec![fault])
    })
}
