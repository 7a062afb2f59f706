//! `Retry-After` (RFC 9110, section 10.2.3): seconds or a date, told by somebody we do not trust. Pure.

use std::time::Duration;

use jiff::{Timestamp, civil::DateTime, fmt::rfc2822::DateTimeParser, tz::TimeZone};

const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// Returns the wait, clamped to 1 to 300 s; `None` if the field is missing or invalid. A date is read by the vendor's
/// clock: `date` is the answer's own `Date`, and `now` replaces it if it is missing or invalid.
pub(super) fn retry_after(field: Option<&str>, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let until = |text: &str| Some(wait(date.and_then(http_date).unwrap_or(now), http_date(text)?));
    field
        .map(str::trim)
        .and_then(|text| seconds(text).or_else(|| until(text)))
        .map(|wait| wait.clamp(MIN_PAUSE, MAX_PAUSE))
}

fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    // More digits than a u64 holds is still a very long time.
    digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

fn wait(from: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// A date in any of its three forms (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    const OBSOLETE: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let text = text.trim();
    let obsolete = || {
        let read = OBSOLETE.iter().find_map(|form| DateTime::strptime(form, text).ok())?;
        Some(read.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    DateTimeParser::new().parse_timestamp(text).ok().or_else(obsolete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sane_whatever_the_vendor_says() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (field, wait) in [
            (None, None),
            (Some("7"), Some(7)),
            (Some(" 7 "), Some(7)),
            (Some("0"), Some(1)),
            (Some("86400"), Some(300)),
            (Some("99999999999999999999999"), Some(300)),
            (Some("-3"), None),
            (Some("soon"), None),
            (Some(""), None),
            (Some("Sun, 22 Nov 2026 12:00:40 GMT"), Some(40)),
            (Some("Sun, 22 Nov 2026 11:00:00 GMT"), Some(1)),
            (Some("Sunday, 22-Nov-26 12:00:40 GMT"), Some(40)),
            (Some("Sun Nov 22 12:00:40 2026"), Some(40)),
            (Some("Sun Nov 22 12:00:40"), None),
        ] {
            assert_eq!(retry_after(field, None, now), wait.map(Duration::from_secs), "{field:?}");
        }
    }

    #[test]
    fn a_date_is_read_by_the_clock_of_who_wrote_it() {
        let now: Timestamp = "2026-12-06T12:00:00Z".parse().unwrap();
        for (date, wait) in [
            (Some("Sun, 06 Dec 2026 12:05:00 GMT"), 2),
            (Some("Sunday, 06-Dec-26 12:05:00 GMT"), 2),
            (Some("Sun Dec  6 12:05:00 2026"), 2),
            (Some("just now"), 300),
            (None, 300),
        ] {
            let told = retry_after(Some("Sun, 06 Dec 2026 12:05:02 GMT"), date, now);
            assert_eq!(told, Some(Duration::from_secs(wait)), "{date:?}");
        }
        let behind = retry_after(Some("Sun Dec  6 11:00:40 2026"), Some("Sun, 06 Dec 2026 11:00:00 GMT"), now);
        assert_eq!(behind, Some(Duration::from_secs(40)));
    }
}
