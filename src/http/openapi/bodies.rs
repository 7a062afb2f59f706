//! What is posted, and what is answered.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::vendor::{Answer, Organization, Questions, QueueActivity, QueuePerformance, QueueSummary, Rows, Surveys};
use crate::{
    http::{
        extract::Described,
        handlers::{
            auth::{self, AccountForm, LoggedIn, Succeeded},
            queues, surveys,
        },
        settings::Settings,
    },
    model::{Further, Route},
};

/// A JSON document of the vendor's reference.
fn example(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// What a route takes as its body, if it takes one. Named schemas go into `schemas`.
pub(super) fn request(
    route: Route,
    settings: &Settings,
    max_queues: usize,
    schemas: &mut Map<String, Value>,
) -> Option<Value> {
    let further = &settings.forward_fields[..];
    let mut named = |name: &str, form: Described, further: &[String]| {
        schemas.insert(name.to_owned(), form.schema(further));
        reference(name)
    };
    let mut form = Described::default();
    let (schema, shown) = match route {
        Route::Logout | Route::Organization | Route::Questions | Route::Further(Further { is_gotten: true, .. }) => {
            return None;
        }
        Route::Further(_) => (json!({"type": "object"}), "{}"),
        Route::Login => {
            auth::login_form(&mut form);
            (named("LoginRequest", form, &[]), include_str!("examples/login.request.json"))
        }
        Route::Reset => (by_method("Reset", &auth::RESET, |name, form| named(name, form, further)), RESET),
        Route::Verify => (by_method("Verify", &auth::VERIFY, |name, form| named(name, form, further)), VERIFY),
        Route::Surveys => {
            surveys::subject(&mut form);
            (named("SurveysRequest", form, further), include_str!("examples/surveys.request.json"))
        }
        Route::QueueSummary | Route::QueueActivity | Route::QueuePerformance => {
            queues::subject(route, max_queues, &mut form);
            match route {
                Route::QueuePerformance => {
                    (named("QueuePerformanceRequest", form, further), include_str!("examples/performance.request.json"))
                }
                _ => (named("QueuesRequest", form, further), include_str!("examples/queues.request.json")),
            }
        }
    };
    let content = json!({"application/json": {"schema": schema, "example": example(shown)}});
    Some(json!({"required": true, "content": content}))
}

const RESET: &str = include_str!("examples/reset.request.json");
const VERIFY: &str = include_str!("examples/verify.request.json");

/// One schema for each way to reach the account's owner.
fn by_method(name: &str, form: &AccountForm, mut named: impl FnMut(&str, Described) -> Value) -> Value {
    let (mut each, mut mapping) = (Vec::new(), Map::new());
    for (method, form) in form.described() {
        let mut letters = method.chars();
        let method_name: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        let one = named(&format!("{name}By{method_name}Request"), form);
        mapping.insert(method.to_owned(), one.get("$ref").cloned().unwrap_or_default());
        each.push(one);
    }
    json!({"oneOf": each, "discriminator": {"propertyName": "method", "mapping": mapping}})
}

/// What a route answers where all is well.
pub(super) fn answer(route: Route, schemas: &mut SchemaGenerator) -> Value {
    fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
        schemas.subschema_for::<T>().to_value()
    }
    let (schema, shown) = match route {
        Route::Login => (of::<LoggedIn>(schemas), include_str!("examples/login.json")),
        Route::Logout | Route::Reset | Route::Verify => {
            (of::<Succeeded>(schemas), include_str!("examples/success.json"))
        }
        Route::Further(_) => (json!({"description": "Whatever JSON Wesal says."}), "{\"data\": {}, \"success\": true}"),
        Route::Organization => (of::<Answer<Organization>>(schemas), include_str!("examples/organization.json")),
        Route::Questions => (of::<Answer<Questions>>(schemas), include_str!("examples/questions.json")),
        Route::Surveys => (of::<Answer<Surveys>>(schemas), include_str!("examples/surveys.json")),
        Route::QueueSummary => (of::<Answer<Rows<QueueSummary>>>(schemas), include_str!("examples/summary.json")),
        Route::QueueActivity => (of::<Answer<Rows<QueueActivity>>>(schemas), include_str!("examples/activity.json")),
        Route::QueuePerformance => {
            (of::<Answer<Rows<QueuePerformance>>>(schemas), include_str!("examples/performance.json"))
        }
    };
    json!({"application/json": {"schema": schema, "example": example(shown)}})
}
