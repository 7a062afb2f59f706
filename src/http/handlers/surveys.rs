use axum::{extract::Request, response::Response};

use super::cached::{parse_post, respond_post};
use crate::{
    http::{
        context::RequestContext,
        extract::{Form, readers},
        problem::Problem,
    },
    model::{CompanyId, Route, Subject, SurveysQuery},
};

/// `POST /survey/queries/surveys`
pub(crate) async fn query_surveys(context: RequestContext, request: Request) -> Result<Response, Problem> {
    let state = context.state();
    let (head, body) = request.into_parts();
    let query = parse_post(state, (Route::Surveys, 0), &head, body, subject).await?;
    respond_post(&context, &query, head).await
}

/// What a body asks for; the fields are those of the reference.
pub(crate) fn subject(form: &mut impl Form) -> Option<Subject> {
    let company = form.required(
        "companyId",
        readers::Company,
        "Whose surveys are asked for; `get_organization` lists the ids. In digits alone.",
    );
    let filters = form.optional(
        "filters",
        readers::Filters,
        "Which surveys are asked for: each filter names a dimension, such as `dateTime`, and what it is compared with. \
         Which there are is for Wesal to say; it wants local times without an offset.",
    );
    let extended = form.optional("extended", readers::Boolean, super::EXTENDED);
    let offset = form.optional(
        "offset",
        readers::WholeNumber(0..=CompanyId::MAX),
        "How many surveys are left out at the start; 0 if it is not there. In digits alone.",
    );
    let limit = form.optional(
        "limit",
        readers::WholeNumber(1..=100),
        "How many surveys are answered at most; 10 if it is not there. In digits alone.",
    );
    Some(Subject::Surveys(SurveysQuery { company: company?, filters, extended, offset, limit }))
}
