use axum::{http::request::Parts, response::Response};
use serde_json::{Value, json};

use super::serve::{parse_get, respond_get, whole_body};
use crate::{
    callers::Caller,
    http::{
        access_log::Line,
        app::App,
        code::Code,
        extract::{Reader, readers},
        problem::{Fault, Problem},
        router::parameter,
    },
    model::{CompanyId, InvalidCompanyId, Route, Subject},
};

/// `GET /survey/queries/questions/{companyId}`
pub(in crate::http) async fn get_questions(
    app: &App,
    caller: &Caller,
    head: Parts,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    let query = parse_get(app, &head, Route::Questions, || company(head.uri.path()).map(Subject::Questions))?;
    respond_get(app, caller, &query, head, line, |served| Ok(whole_body(served))).await
}

/// A path that does not decode to UTF-8 is refused like one that is no number.
pub(super) fn company(path: &str) -> Result<CompanyId, Problem> {
    parameter(path).unwrap_or_default().parse().map_err(|error: InvalidCompanyId| {
        let fault = Fault::parameter("companyId", error.to_string());
        let detail = "The path must end with a company id; get_organization lists them.";
        Problem::new(Code::InvalidRequest, detail).with_faults(vec![fault])
    })
}

/// The path's parameter, for the description.
pub(in crate::http) fn parameter_described() -> Value {
    json!({
        "name": "companyId",
        "in": "path",
        "required": true,
        "description": "Whose questions are asked for, in digits; `get_organization` lists the ids.",
        "schema": readers::Company.schema(),
        "example": 100_301,
    })
}
