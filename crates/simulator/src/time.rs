//! Times in milliseconds since 1970, and how the vendor writes them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds in a day.
pub(crate) const DAY: i64 = 86_400_000;

/// Returns milliseconds since 1970, and 0 before that.
pub(crate) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Formats a time as `2023-10-18T11:28:23.027Z`.
pub(crate) fn format(milliseconds: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Parses an RFC 3339 time, which has an offset.
pub(crate) fn instant(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// Parses a time without an offset as UTC.
pub(crate) fn local(text: &str) -> Option<i64> {
    let time = text.parse::<jiff::civil::DateTime>().ok()?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_z() {
        let text = "2023-10-18T11:28:23.027Z";
        assert_eq!(instant(text).map(format).as_deref(), Some(text));
        assert_eq!(format(0), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn local_times_have_no_offset_and_instants_have_one() {
        assert_eq!(local("2023-12-12T00:00:00"), instant("2023-12-12T00:00:00Z"));
        assert_eq!(local("2023-12-12T00:00:00Z"), None);
        assert_eq!(instant("2023-12-12T00:00:00"), None);
    }
}
