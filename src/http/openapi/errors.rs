//! Which errors an operation can answer, and how they look.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::headers;
use crate::{
    http::{
        error_code::ErrorCode,
        extract::{UNKNOWN_FIELD, UNKNOWN_PARAMETER},
        route_table::Endpoint,
    },
    model::{Further, Route},
};

impl JsonSchema for ErrorCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ErrorCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let line = |code: &Self| {
            let meaning = code.info();
            let statuses: Vec<_> = code.statuses().iter().map(ToString::to_string).collect();
            format!("- `{}` ({}): {} {}", meaning.code, statuses.join(", "), meaning.when, meaning.remedy)
        };
        let lines: Vec<_> = Self::ALL.iter().map(line).collect();
        let about = format!("What went wrong, as a word to branch on:\n\n{}", lines.join("\n"));
        schemars::json_schema!({"type": "string", "enum": Self::ALL.map(Self::as_str), "description": about})
    }
}

/// What each operation can answer, whoever asks.
const ALWAYS: [ErrorCode; 2] = [ErrorCode::ShuttingDown, ErrorCode::Internal];
/// What can be wrong with a credential.
const CREDENTIAL: [ErrorCode; 6] = [
    ErrorCode::InvalidRequest,
    ErrorCode::MissingCredential,
    ErrorCode::InvalidKey,
    ErrorCode::InvalidSession,
    ErrorCode::TooManyAuthFailures,
    ErrorCode::RateLimited,
];
/// What can be wrong with a body.
const BODY: [ErrorCode; 5] = [
    ErrorCode::MissingParameter,
    ErrorCode::InvalidRequest,
    ErrorCode::RequestTimeout,
    ErrorCode::PayloadTooLarge,
    ErrorCode::UnsupportedMediaType,
];
/// And with one of which nothing is known.
const BODY_OF_ANY: [ErrorCode; 4] =
    [ErrorCode::InvalidRequest, ErrorCode::RequestTimeout, ErrorCode::PayloadTooLarge, ErrorCode::UnsupportedMediaType];
/// What can go wrong where the vendor is asked.
const VENDOR: [ErrorCode; 8] = [
    ErrorCode::UpstreamRejected,
    ErrorCode::UpstreamUnreachable,
    ErrorCode::UpstreamInvalidResponse,
    ErrorCode::UpstreamError,
    ErrorCode::UpstreamTimeout,
    ErrorCode::UpstreamRateLimited,
    ErrorCode::UpstreamBudgetExhausted,
    ErrorCode::UpstreamUnavailable,
];
/// And where it is asked with the service login's token, or something kept may stand in for it.
const KEPT: [ErrorCode; 2] = [ErrorCode::OnlyIfCached, ErrorCode::UpstreamLoginFailed];

/// Every code that an endpoint's answers can bear. `not_found` and `method_not_allowed` are the answers of what is no
/// operation, but that a further route's path can mean another route's.
pub(super) fn codes(endpoint: Endpoint) -> Vec<ErrorCode> {
    let groups: &[&[ErrorCode]] = match endpoint {
        Endpoint::Liveness | Endpoint::Readiness | Endpoint::OpenApi | Endpoint::Docs(_) => &[&ALWAYS],
        Endpoint::Mirrored(route) => match route {
            Route::Login => &[
                &ALWAYS,
                &BODY,
                &[ErrorCode::InvalidKey, ErrorCode::TooManyAuthFailures, ErrorCode::RateLimited, ErrorCode::Overloaded],
            ],
            Route::Logout => &[&ALWAYS, &CREDENTIAL, &[ErrorCode::Overloaded]],
            Route::Reset | Route::Verify => &[&ALWAYS, &CREDENTIAL, &ADMITTED, &BODY, &VENDOR],
            Route::Further(Further { is_gotten: false, .. }) => {
                &[&ALWAYS, &CREDENTIAL, &ADMITTED, &BODY_OF_ANY, &VENDOR, &KEPT, &[ErrorCode::NotFound]]
            }
            Route::Further(_) => &[&ALWAYS, &CREDENTIAL, &ADMITTED, &VENDOR, &KEPT, &[ErrorCode::NotFound]],
            Route::Organization | Route::Questions => &[&ALWAYS, &CREDENTIAL, &ADMITTED, &VENDOR, &KEPT],
            Route::Surveys | Route::QueueSummary | Route::QueueActivity | Route::QueuePerformance => {
                &[&ALWAYS, &CREDENTIAL, &ADMITTED, &BODY, &VENDOR, &KEPT]
            }
        },
    };
    ErrorCode::ALL.into_iter().filter(|code| groups.iter().any(|group| group.contains(code))).collect()
}

/// What keeps a known caller out.
const ADMITTED: [ErrorCode; 2] = [ErrorCode::Forbidden, ErrorCode::Overloaded];

/// The responses that several operations share, each under a name.
#[derive(Default)]
pub(super) struct Shared(BTreeMap<String, Value>);

impl Shared {
    /// References to an endpoint's error responses, by their status.
    pub(super) fn errors(&mut self, endpoint: Endpoint) -> Map<String, Value> {
        let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
        for code in codes(endpoint) {
            code.statuses().into_iter().for_each(|status| by_status.entry(status).or_default().push(code));
        }
        let limited = matches!(endpoint, Endpoint::Mirrored(_));
        let mandatory = mandatory(endpoint);
        let reference = |(status, codes): (u16, Vec<ErrorCode>)| {
            let name = self.name(response(status, &codes, limited, mandatory), status, &codes);
            (status.to_string(), json!({"$ref": format!("#/components/responses/{name}")}))
        };
        let mut errors: Map<String, Value> = by_status.into_iter().map(reference).collect();
        self.0.insert("HeadersTooLarge".to_owned(), headers_too_large());
        errors.insert("431".to_owned(), json!({"$ref": "#/components/responses/HeadersTooLarge"}));
        errors
    }

    /// The name of a response, with this status and one of these codes.
    fn name(&mut self, new: Value, status: u16, codes: &[ErrorCode]) -> String {
        let word = |code: &ErrorCode| code.as_str().split('_').map(capitalized).collect::<String>();
        let base = match codes {
            [code] if code.statuses().len() == 1 => word(code),
            _ => format!("Error{status}"),
        };
        let mut name = base.clone();
        let mut number = 1;
        while self.0.get(&name).is_some_and(|other| *other != new) {
            number += 1;
            name = format!("{base}_{number}");
        }
        self.0.insert(name.clone(), new);
        name
    }

    pub(super) fn responses(self) -> BTreeMap<String, Value> {
        self.0
    }
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A field that a body must have, if there is a body.
fn mandatory(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Liveness | Endpoint::Readiness | Endpoint::OpenApi | Endpoint::Docs(_) => None,
        Endpoint::Mirrored(route) => match route {
            Route::Login => Some("password"),
            Route::Reset | Route::Verify => Some("method"),
            Route::Surveys => Some("companyId"),
            Route::QueueSummary | Route::QueueActivity | Route::QueuePerformance => Some("queues"),
            Route::Logout | Route::Organization | Route::Questions | Route::Further(_) => None,
        },
    }
}

/// A problem document with one of these codes.
fn response(status: u16, codes: &[ErrorCode], limited: bool, mandatory: Option<&str>) -> Value {
    let told: Vec<_> =
        codes.iter().map(|code| format!("`{}`: {} {}", code.as_str(), code.info().when, code.info().remedy)).collect();
    let words: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let narrowed = json!({
        "type": "object",
        "properties": {"code": {"type": "string", "enum": words}},
        "required": ["code"],
    });
    let examples: Map<_, _> = codes
        .iter()
        .map(|code| (code.as_str().to_owned(), json!({"value": example(status, *code, mandatory)})))
        .collect();
    json!({
        "description": told.join("\n\n"),
        "headers": headers::of_error(status, codes, limited),
        "content": {"application/problem+json": {
            "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]},
            "examples": examples,
        }},
    })
}

/// What a body must have, if there is one, is `mandatory`.
fn example(status: u16, code: ErrorCode, mandatory: Option<&str>) -> Value {
    let meaning = code.info();
    let errors = match (code, mandatory) {
        (ErrorCode::MissingParameter, Some(field)) => {
            json!([{"pointer": format!("/{field}"), "detail": "this field is mandatory"}])
        }
        (ErrorCode::InvalidRequest, Some(_)) => json!([{"pointer": "/x", "detail": UNKNOWN_FIELD}]),
        (ErrorCode::InvalidRequest, None) => json!([{"parameter": "x", "detail": UNKNOWN_PARAMETER}]),
        _ => json!([]),
    };
    json!({
        "type": format!("/docs/errors#{}", meaning.code),
        "title": meaning.title,
        "status": status,
        "detail": format!("{} {}", meaning.when, meaning.remedy),
        "success": false,
        "code": meaning.code,
        "wesalCode": code.wesal_code(),
        "requestId": "9a9bc336b61edae04112362eb0bb2033",
        "errors": errors,
    })
}

/// The answer of an unknown path, and the one to a method that a path does not take.
pub(super) fn elsewhere() -> Value {
    json!({
        "404": response(404, &[ErrorCode::NotFound], false, None),
        "405": response(405, &[ErrorCode::MethodNotAllowed], false, None),
    })
}

/// What HTTP itself refuses, before there is a request to speak of.
fn headers_too_large() -> Value {
    json!({"description": "The request's headers are too large to be read. This bare answer has no body and no id."})
}
