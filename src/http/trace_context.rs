//! `traceparent` (W3C Trace Context): which trace a request belongs to, so that our log line can be found from it. It goes
//! no further: the vendor is not told.

use axum::http::HeaderMap;

const TRACEPARENT: &str = "traceparent";

/// A trace's id: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceId([u8; 32]);

impl TraceId {
    /// The trace that the caller says its request belongs to. What is not to the letter is no trace (section 3.2.2.3).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(TRACEPARENT).iter();
        let field = fields.next()?;
        if fields.next().is_some() {
            return None;
        }
        let mut parts = field.as_bytes().split(|byte| *byte == b'-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let sound = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
        let meant =
            version != b"ff" && trace.iter().any(|digit| *digit != b'0') && parent.iter().any(|digit| *digit != b'0');
        // A later version may say more behind this, and ours may not.
        let whole = version != b"00" || parts.next().is_none();
        (sound && meant && whole).then(|| trace.try_into().ok().map(Self)).flatten()
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn is_hex(text: &[u8], digits: usize) -> bool {
    text.len() == digits && text.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn read(fields: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(TRACEPARENT, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        TraceId::of(&headers).map(|trace| trace.as_str().to_owned())
    }

    #[test]
    fn a_trace_is_continued_if_it_is_written_to_the_letter() {
        for good in [
            format!("00-{TRACE}-00f067aa0ba902b7-01"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-will-be"),
        ] {
            assert_eq!(read(&[&good]).as_deref(), Some(TRACE), "{good}");
        }
        for bad in [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}é-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(read(&[&bad]), None, "{bad}");
        }
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(read(&[&good, &good]), None);
        assert_eq!(read(&[]), None);
    }
}
