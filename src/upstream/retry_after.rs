//! `Retry-After` (RFC 9110, section 10.2.3): seconds or a date, told by somebody we do not trust. Pure.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};

const NONSENSE: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// How long to wait: from 1 to 300 seconds; 5 where the field is missing or makes no sense.
pub(super) fn retry_after(field: Option<&str>, now: Timestamp) -> Duration {
    field
        .map(str::trim)
        .and_then(|text| seconds(text).or_else(|| until(text, now)))
        .unwrap_or(NONSENSE)
        .clamp(SHORTEST, LONGEST)
}

fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    // More digits than a u64 holds is still a very long time.
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

fn until(text: &str, now: Timestamp) -> Option<Duration> {
    let then = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sane_whatever_the_vendor_says() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (field, wait) in [
            (None, 5),
            (Some("7"), 7),
            (Some(" 7 "), 7),
            (Some("0"), 1),
            (Some("86400"), 300),
            (Some("99999999999999999999999"), 300),
            (Some("-3"), 5),
            (Some("soon"), 5),
            (Some(""), 5),
            (Some("Sun, 22 Nov 2026 12:00:40 GMT"), 40),
            (Some("Sun, 22 Nov 2026 11:00:00 GMT"), 1),
        ] {
            assert_eq!(retry_after(field, now), Duration::from_secs(wait), "{field:?}");
        }
    }
}
