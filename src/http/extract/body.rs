use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{
    clock::{Clock, before},
    http::{
        code::Code,
        problem::{Fault, Problem},
    },
    model::{Json, JsonError},
};

/// Reads a body that must be JSON, within `max_body` bytes and `timeout`.
pub(in crate::http) async fn read_json(
    headers: &HeaderMap,
    body: Body,
    max_body: usize,
    timeout: Duration,
    clock: &dyn Clock,
) -> Result<Json, Problem> {
    check_media_type(headers)?;
    let too_large = || {
        Problem::new(Code::PayloadTooLarge, format!("The body may have {max_body} bytes at most. Send a smaller one."))
    };
    let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|length| length > max_body) {
        return Err(too_large());
    }
    let deadline = clock.now().after(timeout);
    let bytes = match before(clock, deadline, Limited::new(body, max_body).collect()).await {
        Some(Ok(body)) => body.to_bytes(),
        Some(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Some(Err(_)) => {
            return Err(Problem::new(Code::InvalidRequest, "The body ended too early. Send the request again."));
        }
        None => {
            let detail = format!("The body did not arrive within {} seconds. Send it at once.", timeout.as_secs());
            return Err(Problem::new(Code::RequestTimeout, detail));
        }
    };
    Json::parse(&bytes).map_err(not_json)
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    if essence.as_deref() != Some("application/json") {
        let detail = "The body must be JSON: send it with Content-Type: application/json.";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let plain = headers.get_all(header::CONTENT_ENCODING).iter().all(|coding| coding.as_bytes() == b"identity");
    if !plain {
        let detail = "The body must be sent as it is, without Content-Encoding.";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    Ok(())
}

fn not_json(error: JsonError) -> Problem {
    let told = error.to_string();
    let fault = match error {
        JsonError::DuplicateKey { pointer } => Fault::at(pointer, "this member stands twice"),
        JsonError::Malformed(_) | JsonError::TooDeep => Fault::at("", told.clone()),
    };
    Problem::new(Code::InvalidRequest, format!("The body cannot be read: {told}.")).with_faults(vec![fault])
}
