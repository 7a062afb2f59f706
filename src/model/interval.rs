use std::fmt;

use jiff::{Timestamp, Unit};

/// A span of time as `/analytics/queues/performance` takes it: two RFC 3339 instants in order.
///
/// Kept to the millisecond, in UTC: two spellings of the same instants are one interval, and
/// [`Display`](fmt::Display) gives the one form that is sent to the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    start: Timestamp,
    end: Timestamp,
}

/// Why a text is not an interval.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInterval {
    /// There is no single `/`.
    #[error("an interval is two instants with one '/' between them, such as {EXAMPLE}")]
    NotTwo,
    /// One side is no RFC 3339 instant.
    #[error("the {0} is not an RFC 3339 instant such as 2024-01-28T09:00:00.000Z")]
    NotAnInstant(&'static str),
    /// The end is not after the start.
    #[error("the interval's end must be after its start, by a millisecond at least")]
    NotInOrder,
}

/// RFC 3339, section 5.6, `date-time`, with at most nine digits of a second.
macro_rules! instant_pattern {
    () => {
        concat!(
            "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
            "[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]{1,9})?",
            "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
        )
    };
}

const EXAMPLE: &str = "2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z";

impl Interval {
    /// What every interval matches (ECMA-262), though not all that match are intervals: the end must be after the start,
    /// and the day be one that its month has.
    pub const PATTERN: &str = concat!("^", instant_pattern!(), "/", instant_pattern!(), "$");

    /// Reads `start/end`.
    pub fn parse(text: &str) -> Result<Self, InvalidInterval> {
        let (start, end) = text.split_once('/').ok_or(InvalidInterval::NotTwo)?;
        if end.contains('/') {
            return Err(InvalidInterval::NotTwo);
        }
        let start = instant(start).ok_or(InvalidInterval::NotAnInstant("start"))?;
        let end = instant(end).ok_or(InvalidInterval::NotAnInstant("end"))?;
        if end <= start {
            return Err(InvalidInterval::NotInOrder);
        }
        Ok(Self { start, end })
    }

    /// When it ends; its figures can change until then, and a while after.
    pub fn end(&self) -> Timestamp {
        self.end
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}/{:.3}", self.start, self.end)
    }
}

/// `0000-01-01T00:00:00Z`, in seconds since 1970.
const START_OF_YEAR_0: i64 = -62_167_219_200;

/// RFC 3339, section 5.6, `date-time`. jiff takes more than that (a missing offset's zone name in brackets,
/// a basic form without dashes), so the outline is checked first.
fn instant(text: &str) -> Option<Timestamp> {
    let shape_of = |c: u8| if c.is_ascii_digit() { b'0' } else { c.to_ascii_uppercase() };
    let outline: Vec<u8> = text.bytes().map(shape_of).collect();
    let rest = outline.strip_prefix(b"0000-00-00T00:00:00")?;
    let offset = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|c| **c == b'0').count();
            (1..=9).contains(&digits).then(|| fraction.get(digits..)).flatten()?
        }
        None => rest,
    };
    if !matches!(offset, b"Z" | b"+00:00" | b"-00:00") || has_long_offset(text) {
        return None;
    }
    // A zone is known to be offset-only here; jiff checks the numbers' ranges.
    let text = text.to_ascii_uppercase();
    let instant = match text.parse::<Timestamp>() {
        Ok(instant) => instant,
        // The last hours of 9999, an end that is never meant to come, are more than jiff can hold; 1999 has the same days.
        Err(_) => {
            format!("1999{}", text.strip_prefix("9999")?).parse::<Timestamp>().ok()?;
            Timestamp::MAX
        }
    };
    // By its offset it can lie in the year before 0, which RFC 3339 cannot write.
    instant.max(Timestamp::from_second(START_OF_YEAR_0).ok()?).round(truncating()).ok()
}

/// Whether the offset is of a day or more; jiff takes up to 25 hours, RFC 3339 has two digits up to 23 for them.
fn has_long_offset(text: &str) -> bool {
    let offset = text.rsplit_once(['+', '-']).filter(|_| !text.ends_with(['Z', 'z']));
    offset.is_some_and(|(_, offset)| offset.get(..2).is_none_or(|hours| hours > "23"))
}

fn truncating() -> jiff::TimestampRound {
    jiff::TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Trunc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_same_instants_are_one_interval() {
        let canonical = "2024-01-28T09:00:00.000Z/2024-01-28T10:00:00.000Z";
        for same in [
            canonical,
            "2024-01-28T09:00:00Z/2024-01-28T10:00:00Z",
            "2024-01-28T09:00:00+00:00/2024-01-28T13:00:00+03:00",
            "2024-01-28t09:00:00z/2024-01-28T05:00:00.000999-05:00",
        ] {
            assert_eq!(Interval::parse(same).unwrap().to_string(), canonical, "{same}");
        }
    }

    #[test]
    fn the_first_instant_of_all_is_one_and_what_lies_beyond_is_the_first_or_the_last() {
        let canonical = "0000-01-01T00:00:00.000Z/0000-01-01T00:00:00.001Z";
        assert_eq!(Interval::parse(canonical).unwrap().to_string(), canonical);
        let beyond = "0000-01-01T00:00:00+03:00/9999-12-31T23:59:59.999Z";
        assert_eq!(Interval::parse(beyond).unwrap().to_string(), "0000-01-01T00:00:00.000Z/9999-12-30T22:00:00.999Z");
        for end in ["9999-12-31T23:59:59-12:00", "9999-12-31T00:00:00Z"] {
            assert!(Interval::parse(&format!("2024-01-01T00:00:00Z/{end}")).is_ok(), "{end}");
        }
        for end in ["9999-12-32T00:00:00Z", "9999-12-31T24:00:00Z", "9999-02-29T00:00:00Z"] {
            assert!(Interval::parse(&format!("2024-01-01T00:00:00Z/{end}")).is_err(), "{end}");
        }
    }

    #[test]
    fn what_is_no_interval_is_refused_with_its_reason() {
        use InvalidInterval::{NotAnInstant, NotInOrder, NotTwo};
        let z = "2024-01-28T09:00:00Z";
        for (text, why) in [
            (String::new(), NotTwo),
            (z.to_owned(), NotTwo),
            (format!("{z}/{z}/{z}"), NotTwo),
            (format!("{z}/{z}"), NotInOrder),
            (format!("{z}/2024-01-28T08:00:00Z"), NotInOrder),
            (format!("{z}/2024-01-28T09:00:00.0001Z"), NotInOrder),
            (format!("{z}/2024-01-28T10:00:00"), NotAnInstant("end")),
            (format!("{z}/2024-01-28"), NotAnInstant("end")),
            (format!("2024-02-30T09:00:00Z/{z}"), NotAnInstant("start")),
            (format!("2024-01-28 09:00:00Z/{z}"), NotAnInstant("start")),
            (format!("20240128T090000Z/{z}"), NotAnInstant("start")),
            (format!("2024-01-28T09:00:00Z[UTC]/{z}"), NotAnInstant("start")),
            (format!("2024-01-28T09:00:00.Z/{z}"), NotAnInstant("start")),
            (format!("2024-01-28T09:00:00.1234567890Z/{z}"), NotAnInstant("start")),
            (format!("PT1H/{z}"), NotAnInstant("start")),
            (format!("2024-01-01T00:00:00-24:00/{z}"), NotAnInstant("start")),
        ] {
            assert_eq!(Interval::parse(&text), Err(why), "{text}");
        }
    }
}
