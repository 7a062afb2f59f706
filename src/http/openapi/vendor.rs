//! The vendor's answers as its reference shows them. They travel byte for byte and are never read as these types, which
//! only describe them; whatever else the vendor adds is described as allowed.
#![expect(dead_code, reason = "nobody makes these; their shape is what counts")]

use schemars::JsonSchema;

/// How every success of the vendor's looks.
#[derive(JsonSchema)]
#[schemars(rename = "{T}Answer")]
pub(super) struct Answer<T> {
    data: T,
    #[schemars(extend("const" = true))]
    success: bool,
}

/// How the queue routes' data looks: a row for each queue, in the order asked. A queue that Wesal does not know has none, or
/// one without figures.
#[derive(JsonSchema)]
#[schemars(rename = "{T}Rows")]
pub(super) struct Rows<T> {
    success: bool,
    result: Vec<T>,
}

/// The organization and its companies; a key that is held to some companies sees those only.
#[derive(JsonSchema)]
pub(super) struct Organization {
    organization: OrganizationDetails,
    companies: Vec<Company>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OrganizationDetails {
    id: u64,
    name: String,
    region: String,
    organization_id: String,
}

#[derive(JsonSchema)]
struct Company {
    /// What the other routes take as `companyId`.
    id: u64,
    name: String,
}

/// A company's questions.
#[derive(JsonSchema)]
pub(super) struct Questions {
    questions: Vec<Question>,
}

#[derive(JsonSchema)]
struct Question {
    id: u64,
    name: String,
    answers: Vec<Choice>,
}

/// An answer that a question can have.
#[derive(JsonSchema)]
struct Choice {
    id: u64,
    title: String,
    value: String,
}

/// A page of surveys. They hold personal data: names of agents, phone numbers of callers.
#[derive(JsonSchema)]
pub(super) struct Surveys {
    profile: Profile,
    surveys: Vec<Survey>,
    pagination: Pagination,
}

/// Whose surveys they are.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Profile {
    id: u64,
    region: String,
    name: String,
    organization_id: String,
    /// A string here, though a number in requests.
    company_id: String,
    company_name: String,
}

#[derive(JsonSchema)]
struct Survey {
    id: String,
    conversation: Conversation,
    answers: Vec<Answered>,
}

/// The conversation that was asked about.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Conversation {
    id: String,
    queue_name: String,
    agent_name: String,
    url: String,
    /// The caller's number, such as `tel:+966xxxxxxxxx`.
    caller_id: String,
    media_type: String,
    /// An RFC 3339 instant.
    created_at: String,
}

/// What was answered to one question.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Answered {
    id: u64,
    question_id: u64,
    question_name: String,
    answer_title: String,
    answer_value: u64,
    /// An RFC 3339 instant.
    created_at: String,
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    /// From 1.
    current_page: u64,
    total_pages: u64,
    previous_page: Option<u64>,
    next_page: Option<u64>,
    total_items: u64,
}

/// How a queue stands now; Wesal tells more of it than the reference names.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueueSummary {
    /// Whether Wesal knows this queue; if not, the row has its id only.
    success: bool,
    id: String,
    #[schemars(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[schemars(skip_serializing_if = "Option::is_none")]
    member_count: Option<u64>,
}

/// How many of a queue's agents do what now.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueueActivity {
    queue_id: String,
    data: Vec<Activity>,
}

#[derive(JsonSchema)]
struct Activity {
    /// Such as `IDLE`.
    qualifier: String,
    count: u64,
}

/// A queue's measures over the interval.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueuePerformance {
    /// The queue's id; the vendor calls it so here.
    query_id: String,
    data: Vec<Block>,
}

#[derive(JsonSchema)]
struct Block {
    /// From when to when.
    interval: String,
    metrics: Metrics,
}

/// Wesal tells more measures than the reference names.
#[derive(JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct Metrics {
    #[schemars(skip_serializing_if = "Option::is_none", rename = "ASA")]
    asa: Option<f64>,
    #[schemars(skip_serializing_if = "Option::is_none")]
    answer: Option<f64>,
    #[schemars(skip_serializing_if = "Option::is_none", rename = "MetSLA")]
    met_sla: Option<f64>,
    #[schemars(skip_serializing_if = "Option::is_none", rename = "OverSLA")]
    over_sla: Option<f64>,
}
