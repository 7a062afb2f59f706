//! The metrics in the format that whoever asks for them can read.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::telemetry::classic;

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `open_metrics`, or the same in the classic format.
pub(super) fn respond(open_metrics: String, headers: &HeaderMap) -> Response {
    let (form, text) =
        if wants_open_metrics(headers) { (OPEN_METRICS, open_metrics) } else { (TEXT_FORMAT, classic(&open_metrics)) };
    let (form, accept) = (HeaderValue::from_static(form), HeaderValue::from_static("accept"));
    ([(header::CONTENT_TYPE, form), (header::VARY, accept)], text).into_response()
}

/// Whether OpenMetrics is named, and liked no less than text (RFC 9110, section 12.5.1). A wildcard is no such name: it is
/// what `curl` sends, and who knows only the classic format.
fn wants_open_metrics(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let (mut open_metrics, mut text): (u16, Option<(u8, u16)>) = (0, None);
    for range in accept.flat_map(|accept| accept.split(',')) {
        let mut words = range.split(';').map(str::trim);
        let kind = words.next().unwrap_or_default().to_ascii_lowercase();
        let (mut liking, mut version) = (1000, None);
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => liking = qvalue(value.trim()),
                "version" => version = Some(value.trim().trim_matches('"')),
                _ => {}
            }
        }
        let exactness = match kind.as_str() {
            "application/openmetrics-text" if version.is_none_or(|version| version == "1.0.0") => {
                open_metrics = open_metrics.max(liking);
                continue;
            }
            "text/plain" => 2,
            "text/*" => 1,
            "*/*" => 0,
            _ => continue,
        };
        // The most exact word on it counts.
        text = text.max(Some((exactness, liking)));
    }
    open_metrics > 0 && open_metrics >= text.map_or(0, |(_, liking)| liking)
}

/// A weight of at most three decimals, in qvalue; what is none weighs nothing.
fn qvalue(weight: &str) -> u16 {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let written = decimals.len() <= 3 && decimals.bytes().all(|digit| digit.is_ascii_digit());
    match whole {
        "1" if written => 1000,
        "0" if written => format!("{decimals:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_who_names_it() {
        for (accept, wants) in [
            // Prometheus 2 and 3, as they come; then with text preferred, as `scrape_protocols` can have it.
            (
                &[
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ][..],
                true,
            ),
            (
                &[
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ],
                true,
            ),
            (&["text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.2"], false),
            (&["application/openmetrics-text"], true),
            (&["Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.5, text/*;q=0.5"], true),
            (&["text/plain;q=0.1", "application/openmetrics-text;q=0.2, */*"], true),
            (&["application/openmetrics-text;version=0.0.1"], false),
            (&["application/openmetrics-text;version=2.0.0"], false),
            (&["application/openmetrics-text;q=0"], false),
            (&["application/openmetrics-text;q=much"], false),
            (&["application/openmetrics-text;q=0.9, */*"], false),
            (&["*/*"], false),
            (&["application/*"], false),
            (&["text/html, ;;=,"], false),
            (&[], false),
        ] {
            let headers = accept.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value))).collect();
            assert_eq!(wants_open_metrics(&headers), wants, "{accept:?}");
        }
    }
}
