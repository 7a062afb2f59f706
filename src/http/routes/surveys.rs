use axum::{body::Body, http::request::Parts, response::Response};

use super::serve::{answer_posted, posted};
use crate::{
    callers::Caller,
    http::{
        access_log::Line,
        app::App,
        extract::{Fields, readers},
        problem::Problem,
    },
    model::{Route, Subject, SurveysQuery},
};

/// `POST /survey/queries/surveys`
pub(in crate::http) async fn query_surveys(
    app: &App,
    caller: &Caller,
    head: &Parts,
    body: Body,
    line: &mut Line<'_>,
) -> Result<Response, Problem> {
    let question = posted(app, (Route::Surveys, 0), head, body, subject).await?;
    answer_posted(app, caller, &question, head, line).await
}

pub(super) fn subject(fields: &mut Fields) -> Option<Subject> {
    let company = fields.required("companyId", readers::company_id);
    let filters = fields.optional("filters", readers::filters);
    let extended = fields.optional("extended", readers::boolean);
    let offset = fields.optional("offset", readers::whole_number(0..=u64::MAX));
    let limit = fields.optional("limit", readers::whole_number(1..=100));
    Some(Subject::Surveys(SurveysQuery { company: company?, filters, extended, offset, limit }))
}
