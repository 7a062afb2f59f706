//! `traceparent` (W3C Trace Context): which trace a request belongs to, so that our log line and spans can be found from it.
//! It goes no further: the vendor is not told.

use axum::http::HeaderMap;

use crate::telemetry::traces::Traceparent;

const TRACEPARENT: &str = "traceparent";

/// The trace that the caller says its request belongs to. What is not to the letter is no trace (section 3.2.2.3).
pub(super) fn traceparent(headers: &HeaderMap) -> Option<Traceparent> {
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
    if !(sound && meant && whole) {
        return None;
    }
    // The lowest of the flags' eight bits (section 3.2.2.5.1).
    let sampled = flags.last().is_some_and(|digit| b"13579bdf".contains(digit));
    Some(Traceparent { trace: trace.try_into().ok()?, span: parent.try_into().ok()?, sampled })
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
        traceparent(&headers).map(|said| String::from_utf8(said.trace.to_vec()).unwrap())
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

    #[test]
    fn the_lowest_flag_says_whether_the_caller_records_it() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("fe", false), ("ff", true)]
        {
            let mut headers = HeaderMap::new();
            let field = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            headers.insert(TRACEPARENT, HeaderValue::from_str(&field).unwrap());
            let said = traceparent(&headers).unwrap();
            assert_eq!((said.sampled, &said.span), (sampled, b"00f067aa0ba902b7"), "{flags}");
        }
    }
}
