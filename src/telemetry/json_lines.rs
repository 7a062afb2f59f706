//! Events as JSON, one a line. Ours, because there is one for each request, and the library's own way costs several times
//! as much as all else that an answer from memory needs of us.

use std::{
    cell::RefCell,
    error::Error,
    fmt::{self, Write as _},
    time::Duration,
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::{
    events::{ACCESS, Request},
    sink::Sink,
};
use crate::clock::SharedClock;

/// Writes each event into a sink.
#[derive(Clone)]
pub(super) struct JsonLines {
    sink: Sink,
    clock: SharedClock,
}

impl JsonLines {
    pub(super) fn new(sink: Sink, clock: SharedClock) -> Self {
        Self { sink, clock }
    }
}

thread_local! {
    static PAGE: RefCell<Page> = RefCell::default();
}

/// A thread's room for a line, and the second that its last line was of.
#[derive(Default)]
struct Page {
    line: String,
    second: i64,
    second_text: String,
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.write(event.metadata().level().as_str(), event.metadata().target(), |members| event.record(members));
    }
}

impl JsonLines {
    /// A request's line, without the journey through a subscriber: the same members as its event has.
    pub(super) fn request(&self, request: &Request<'_>) {
        self.write("INFO", ACCESS, |members| {
            members.string("message", "request");
            members.string("request_id", request.request_id);
            if let Some(trace) = request.trace_id {
                members.string("trace_id", trace);
            }
            members.string("caller", request.caller);
            members.string("method", request.method);
            members.string("route", request.route);
            members.number("status", request.status.into());
            members.string("code", request.code);
            members.string("cache", request.cache);
            members.number("parts_hit", request.parts_hit.into());
            members.number("parts_stale", request.parts_stale.into());
            members.number("parts_fetched", request.parts_fetched.into());
            members.number("parts_absent", request.parts_absent.into());
            members.number("vendor_calls", request.vendor_calls.into());
            members.milliseconds("vendor_ms", request.vendor_time);
            members.milliseconds("total_ms", request.time);
        });
    }

    fn write(&self, level: &str, target: &str, members: impl FnOnce(&mut Members<'_>)) {
        PAGE.with(|page| {
            // An event within an event's own text has no page to be written on; there is none.
            let Ok(mut page) = page.try_borrow_mut() else { return };
            page.begin(self.clock.wall());
            let line = &mut page.line;
            line.push_str("\",\"level\":\"");
            line.push_str(level);
            line.push('"');
            members(&mut Members(line));
            line.push_str(",\"target\":\"");
            line.push_str(target);
            line.push_str("\"}\n");
            self.sink.push(line.as_bytes());
        });
    }
}

impl Page {
    /// Begins a line with its time: RFC 3339, in microseconds.
    fn begin(&mut self, now: jiff::Timestamp) {
        if self.second != now.as_second() || self.second_text.is_empty() {
            self.second = now.as_second();
            self.second_text.clear();
            // Writing to a String cannot fail.
            let _ = write!(self.second_text, "{}", now.strftime("%Y-%m-%dT%H:%M:%S"));
        }
        self.line.clear();
        self.line.push_str("{\"timestamp\":\"");
        self.line.push_str(&self.second_text);
        self.line.push('.');
        let micros = u64::try_from(now.subsec_nanosecond() / 1000).unwrap_or(0);
        push_padded(micros, 6, &mut self.line);
        self.line.push('Z');
    }
}

/// Appends a number with leading zeros.
fn push_padded(number: u64, digits: u32, out: &mut String) {
    let mut below = 10_u64.saturating_pow(digits.saturating_sub(1));
    while below > 1 && number < below {
        out.push('0');
        below /= 10;
    }
    out.push_str(itoa::Buffer::new().format(number));
}

/// The event's fields, as members of an object that has some already.
struct Members<'a>(&'a mut String);

impl Members<'_> {
    fn name(&mut self, name: &str) {
        self.0.push_str(",\"");
        // Names come from the code: they need no escapes.
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push('"');
        let _ = Escaped(self.0).write_str(value);
        self.0.push('"');
    }

    fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    /// In microseconds, as a number of milliseconds.
    fn milliseconds(&mut self, name: &str, time: Duration) {
        self.thousandths(name, u64::try_from(time.as_nanos().saturating_add(500) / 1000).unwrap_or(u64::MAX));
    }

    fn thousandths(&mut self, name: &str, value: u64) {
        self.number(name, value / 1000);
        self.0.push('.');
        push_padded(value % 1000, 3, self.0);
    }

    fn text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        self.name(field.name());
        self.0.push('"');
        let _ = Escaped(self.0).write_fmt(text);
        self.0.push('"');
    }

    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field.name());
        let _ = write!(self.0, "{value}");
    }
}

impl Visit for Members<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.string(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let thousandths = value * 1000.0;
        if thousandths.fract() == 0.0 && (0.0..1e15).contains(&thousandths) {
            // What it almost always is: a time in milliseconds.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just now")]
            self.thousandths(field.name(), thousandths as u64);
        } else if value.is_finite() {
            self.plain(field, value);
        } else {
            self.plain(field, "null");
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// Text within a JSON string (RFC 8259, section 7).
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Without an end in between, so that the compiler can look at many bytes at once.
        let special = |found, byte: u8| found | (byte < b' ') | (byte == b'"') | (byte == b'\\');
        if !text.bytes().fold(false, special) {
            self.0.push_str(text);
            return Ok(());
        }
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                c if c < ' ' => write!(self.0, "\\u{:04x}", u32::from(c))?,
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::{
        clock::ManualClock,
        telemetry::{events, sink::tests::Paper},
    };

    fn written(tell: impl FnOnce(&ManualClock)) -> Vec<Value> {
        let paper = Paper::default();
        let (sink, writer) = Sink::open(paper.clone()).unwrap();
        let clock = ManualClock::at("2026-11-22T11:59:58.999950Z".parse().unwrap());
        let lines = JsonLines::new(sink, Arc::new(clock.clone()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || tell(&clock));
        drop(writer);
        paper.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_kind_of_value_is_json() {
        let lines = written(|clock| {
            let reason: &(dyn Error + 'static) = &fmt::Error;
            tracing::info!(target: "t", text = "a\"b\\c\n\u{1}é", n = 7_u64, m = -7, x = 0.25, y = 1.0625, z = 12_345.007, yes = true, "said {}", "\"so\"");
            clock.advance(Duration::from_micros(60));
            tracing::warn!(reason, nothing = f64::NAN, some = ?Some("x"), none = Option::<u64>::None);
        });
        assert_eq!(
            lines,
            [
                json!({
                    "timestamp": "2026-11-22T11:59:59.999950Z", "level": "INFO", "message": "said \"so\"",
                    "text": "a\"b\\c\n\u{1}é", "n": 7, "m": -7, "x": 0.25, "y": 1.0625, "z": 12_345.007, "yes": true, "target": "t",
                }),
                json!({
                    "timestamp": "2026-11-22T12:00:00.000010Z", "level": "WARN",
                    "reason": fmt::Error.to_string(), "nothing": null, "some": "Some(\"x\")",
                    "target": "wesal_gateway::telemetry::json_lines::tests",
                }),
            ]
        );
    }

    #[test]
    fn a_requests_line_is_that_of_its_event() {
        let request = Request {
            request_id: "7f\"x",
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            caller: "wallboard",
            method: "GET",
            route: "/livez",
            status: 200,
            code: "-",
            cache: "hit",
            parts_hit: 20,
            parts_stale: 1,
            parts_fetched: 2,
            parts_absent: 3,
            vendor_calls: 4,
            vendor_time: Duration::from_nanos(120_000_499),
            time: Duration::from_nanos(59_500),
        };
        let event = written(|_| events::request_event(&request));
        let paper = Paper::default();
        let (sink, writer) = Sink::open(paper.clone()).unwrap();
        let clock = ManualClock::at("2026-11-22T11:59:58.999950Z".parse().unwrap());
        JsonLines::new(sink, Arc::new(clock)).request(&request);
        drop(writer);
        let line: Value = serde_json::from_str(&paper.text()).unwrap();
        assert_eq!((line["vendor_ms"].as_f64(), line["total_ms"].as_f64()), (Some(120.0), Some(0.06)));
        assert_eq!([line], *event);
    }
}
