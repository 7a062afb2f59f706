use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderMap, header},
};
use bytes::BytesMut;
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{
    clock::{Clock, before},
    http::{
        error_code::ErrorCode,
        problem::{FieldError, Problem},
    },
    model::{Json, JsonError},
};

/// Reads a body that must be JSON, within `max_body` bytes and `timeout`.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    max_body: usize,
    timeout: Duration,
    clock: &dyn Clock,
) -> Result<Bytes, Problem> {
    check_media_type(headers)?;
    read_bytes(headers, body, max_body, timeout, clock).await
}

/// Reads a body of any type, within `max_body` bytes and `timeout`.
pub(crate) async fn read_bytes(
    headers: &HeaderMap,
    body: Body,
    max_body: usize,
    timeout: Duration,
    clock: &dyn Clock,
) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            ErrorCode::PayloadTooLarge,
            format!("The body may have {max_body} bytes at most. Send a smaller one."),
        )
        .closes_connection()
    };
    let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let deadline = clock.now().after(timeout);
    if told.is_some_and(|length| length > max_body) {
        // Who asks first is not told to go on.
        if !headers.contains_key(header::EXPECT) {
            discard_what_is_here(body);
        }
        return Err(too_large());
    }
    let mut body = body;
    match before(clock, deadline, collect(&mut body, max_body)).await {
        Some(Ok(body)) => Ok(body),
        Some(Err(error)) if error.is::<LengthLimitError>() => {
            discard_what_is_here(body);
            Err(too_large())
        }
        Some(Err(_)) => {
            Err(Problem::new(ErrorCode::InvalidRequest, "The body ended too early. Send the request again."))
        }
        None => {
            let detail = format!("The body did not arrive within {} seconds. Send it at once.", timeout.as_secs());
            Err(Problem::new(ErrorCode::RequestTimeout, detail).closes_connection())
        }
    }
}

/// Most bodies come in one piece, which is then taken as it is.
async fn collect(body: &mut Body, max_body: usize) -> Result<Bytes, axum::BoxError> {
    let mut body = Limited::new(body, max_body);
    let first = match body.frame().await {
        None => return Ok(Bytes::new()),
        Some(frame) => frame?.into_data().unwrap_or_default(),
    };
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut all = BytesMut::from(first);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            all.extend_from_slice(&data);
        }
    }
    Ok(all.freeze())
}

/// Reads the JSON of a body.
pub(crate) fn parse_json(body: &[u8]) -> Result<Json, Problem> {
    Json::parse(body).map_err(not_json)
}

/// Reads what has come already: a connection that is closed with bytes unread is reset, and the refusal may be lost
/// with it.
fn discard_what_is_here(mut body: Body) {
    const MOST: usize = 1024 * 1024;
    let mut read = 0;
    while let Some(Some(Ok(frame))) = body.frame().now_or_never() {
        read += frame.data_ref().map_or(0, bytes::Bytes::len);
        if read > MOST {
            return;
        }
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim());
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        let detail = "The body must be JSON: send it with Content-Type: application/json.";
        return Err(Problem::new(ErrorCode::UnsupportedMediaType, detail));
    }
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !plain {
        let detail = "The body must be sent as it is, without Content-Encoding.";
        return Err(Problem::new(ErrorCode::UnsupportedMediaType, detail));
    }
    Ok(())
}

fn not_json(error: JsonError) -> Problem {
    let told = error.to_string();
    let fault = match error {
        JsonError::DuplicateKey { pointer } => FieldError::at(pointer, "this member stands twice"),
        JsonError::Unkept { pointer, why } => FieldError::at(pointer, why),
        JsonError::Malformed(_) | JsonError::TooDeep => FieldError::at("", told.clone()),
    };
    Problem::new(ErrorCode::InvalidRequest, format!("The body cannot be read: {told}.")).with_errors(vec![fault])
}
