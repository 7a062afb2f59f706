use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    response::Response,
};

use super::serve::{answer_posted, demand_of, posted};
use crate::{
    http::{
        admit::Admitted,
        app::App,
        extract::{Fields, readers},
    },
    model::{Subject, SurveysQuery},
};

/// `POST /survey/queries/surveys`
pub(in crate::http) async fn query_surveys(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Admitted>,
    request: Request,
) -> Response {
    let demand = demand_of(&caller, request.headers());
    let query = posted(&app, request, subject).await;
    answer_posted(&app, &caller, query, demand).await
}

fn subject(fields: &mut Fields) -> Option<Subject> {
    let company = fields.required("companyId", readers::company_id);
    let filters = fields.optional("filters", readers::filters);
    let extended = fields.optional("extended", readers::boolean);
    let offset = fields.optional("offset", readers::whole_number(0..=u64::MAX));
    let limit = fields.optional("limit", readers::whole_number(1..=100));
    Some(Subject::Surveys(SurveysQuery { company: company?, filters, extended, offset, limit }))
}
