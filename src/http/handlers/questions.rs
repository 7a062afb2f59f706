use axum::{extract::Request, response::Response};
use serde_json::{Value, json};

use super::cached::{parse_get, respond_get, whole_body};
use crate::{
    http::{
        context::RequestContext,
        error_code::ErrorCode,
        extract::{Reader, readers},
        problem::{FieldError, Problem},
        route_table::parameter,
    },
    model::{CompanyId, InvalidCompanyId, Route, Subject},
};

/// `GET /survey/queries/questions/{companyId}`
pub(crate) async fn get_questions(context: RequestContext, request: Request) -> Result<Response, Problem> {
    let state = context.state();
    let (head, _) = request.into_parts();
    let query = parse_get(state, &head, Route::Questions, || company(head.uri.path()).map(Subject::Questions))?;
    respond_get(&context, &query, head, |served| Ok(whole_body(served))).await
}

/// A path that does not decode to UTF-8 is refused like one that is no number.
pub(crate) fn company(path: &str) -> Result<CompanyId, Problem> {
    parameter(path).unwrap_or_default().parse().map_err(|error: InvalidCompanyId| {
        let fault = FieldError::parameter("companyId", error.to_string());
        let detail = "The path must end with a company id; get_organization lists them.";
        Problem::new(ErrorCode::InvalidRequest, detail).with_errors(vec![fault])
    })
}

/// The path's parameter, for the description.
pub(crate) fn parameter_described() -> Value {
    json!({
        "name": "companyId",
        "in": "path",
        "required": true,
        "description": "Whose questions are asked for, in digits; `get_organization` lists the ids.",
        "schema": readers::Company.schema(),
        "example": 100_301,
    })
}
