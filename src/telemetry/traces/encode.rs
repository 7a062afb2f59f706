//! What is told, as OTLP's messages, in the words of OpenTelemetry's semantic conventions for HTTP; what they have no word
//! for begins with `wesal_gateway.`.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Status, span::SpanKind, status::StatusCode},
};
use prost::Message;

use super::{CallTold, FetchTold};
use crate::telemetry::{CallOutcome, events};

/// Where the conventions' words are defined in this version.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// A span's own words.
pub(super) struct Told {
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) attributes: Vec<KeyValue>,
    pub(super) status: Option<Status>,
}

/// The same as its line in the log.
pub(super) fn request(told: &events::Request<'_>) -> Told {
    // The conventions' word for a method that is none of the known.
    let method = if told.method == "other" { "_OTHER" } else { told.method };
    let mut attributes = vec![
        text("http.request.method", method),
        text("wesal_gateway.request_id", told.request_id),
        text("wesal_gateway.caller", told.caller),
        text("wesal_gateway.cache", told.cache),
        number("wesal_gateway.vendor_calls", told.vendor_calls.into()),
    ];
    let name = match told.route {
        "other" => {
            if method == "_OTHER" {
                "HTTP".to_owned()
            } else {
                method.to_owned()
            }
        }
        route => {
            attributes.push(text("http.route", route));
            format!("{method} {route}")
        }
    };
    if told.code != events::CALLER_LEFT {
        attributes.push(number("http.response.status_code", told.status.into()));
    }
    if told.code != "-" {
        attributes.push(text("wesal_gateway.code", told.code));
    }
    // A caller's own mistake is no error of the server's.
    let failed = told.status >= 500;
    if failed {
        attributes.push(text("error.type", told.code));
    }
    Told { name, kind: SpanKind::Server, attributes, status: error(failed) }
}

/// A request to the vendor.
pub(super) fn call(told: &CallTold, vendor: &Vendor) -> Told {
    let mut attributes = vec![
        text("http.request.method", told.method),
        text("url.template", told.route),
        text("server.address", &vendor.address),
        number("server.port", vendor.port.into()),
        text("wesal_gateway.outcome", told.outcome.as_str()),
    ];
    if let Some(status) = told.status {
        attributes.push(number("http.response.status_code", status.into()));
    }
    if told.tries_before > 0 {
        attributes.push(number("http.request.resend_count", told.tries_before.into()));
    }
    let failed = told.outcome != CallOutcome::Ok;
    if failed {
        attributes.push(text("error.type", told.outcome.as_str()));
    }
    let name = format!("{} {}", told.method, told.route);
    Told { name, kind: SpanKind::Client, attributes, status: error(failed) }
}

/// A fetch, from when its group took off until all of it has landed.
pub(super) fn fetch(told: &FetchTold) -> Told {
    let attributes = vec![
        text("url.template", told.route),
        number("wesal_gateway.parts", i64::try_from(told.parts).unwrap_or(i64::MAX)),
        number("wesal_gateway.vendor_calls", told.calls.into()),
    ];
    let name = format!("fetch {}", told.route);
    Told { name, kind: SpanKind::Internal, attributes, status: error(told.failed) }
}

/// Where the vendor is, by the configuration.
pub(super) struct Vendor {
    pub(super) address: String,
    pub(super) port: u16,
}

/// An export's body.
pub(super) fn export(spans: Vec<opentelemetry_proto::tonic::trace::v1::Span>) -> Vec<u8> {
    let service = [text("service.name", "wesal-gateway"), text("service.version", env!("CARGO_PKG_VERSION"))];
    let scope = InstrumentationScope {
        name: "wesal-gateway".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let resource = Resource { attributes: service.to_vec(), ..Resource::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: SCHEMA.to_owned() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, schema_url: SCHEMA.to_owned() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn error(failed: bool) -> Option<Status> {
    failed.then(|| Status { code: StatusCode::Error.into(), message: String::new() })
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
