//! The vendor's own words, made fit to be shown to a caller: short, on one line, and with nothing in them
//! that is shaped like a token, a key, an e-mail address or a phone number. Pure.

const MOST_CHARS: usize = 200;
const REMOVED: &str = "[removed]";

/// Cleans `text`; `secrets` are removed wherever they stand, whatever their shape.
pub(super) fn clean(text: &str, secrets: &[&str]) -> String {
    let mut text: String = text.chars().take(4 * MOST_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    for secret in secrets.iter().filter(|secret| secret.len() >= 3) {
        text = text.replace(secret, REMOVED);
    }
    let words = text.split_whitespace().map(|word| if is_telling(word) { REMOVED } else { word });
    let text = words.collect::<Vec<_>>().join(" ");
    without_phones(&text).chars().take(MOST_CHARS).collect()
}

fn is_telling(word: &str) -> bool {
    let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
    if word.contains('@') {
        return true;
    }
    let longest_run = word.split(|c: char| !(c.is_ascii_alphanumeric() || "_-+/=.~".contains(c))).map(str::len).max();
    let token_like = inner.contains("eyJ") || inner.contains("wgw_") || longest_run.unwrap_or(0) >= 20;
    token_like && !is_uuid(inner)
}

/// A queue's or company's id is what the caller most needs to read.
fn is_uuid(word: &str) -> bool {
    let groups: Vec<&str> = word.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|c| c.is_ascii_hexdigit() || c == b'x'))
}

/// Replaces each run of digits and their usual separators that holds seven digits or more.
fn without_phones(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !(c.is_ascii_hexdigit() || " +-().x".contains(c))) {
        // An id stays whole: its digits are no phone number.
        if word.split(' ').any(|w| is_uuid(w.trim_matches(|c: char| !c.is_alphanumeric()))) {
            out.push_str(word);
        } else {
            push_without_phones(word, &mut out);
        }
    }
    out
}

fn push_without_phones(text: &str, out: &mut String) {
    let part_of_number = |c: char| c.is_ascii_digit() || " +-().".contains(c);
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '+') {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c| !part_of_number(c)).unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        out.push_str(before);
        if number.chars().filter(char::is_ascii_digit).count() >= 7 {
            out.push_str(REMOVED);
            if number.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push_str(number);
        }
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_tells_remains() {
        for (text, shown) in [
            ("queue 01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx is unknown", None),
            ("queue \"9363d889-1234-5678-9012-123456789012\" is unknown", None),
            ("limit must be between 1 and 100", None),
            ("no user ahmed@wesal.example here", Some("no user [removed] here")),
            ("token eyJhbGciOiJIUzI1NiJ9.e30.x expired", Some("token [removed] expired")),
            ("key=wgw_abc", Some("[removed]")),
            ("caller tel:+966551234567.", Some("caller tel:[removed]")),
            ("call +966 55 123 4567 now", Some("call [removed] now")),
            ("id RW5jb2RlIHRvIEJhc2U2NCBmb3JtYXQ=", Some("id [removed]")),
            ("wrong hunter2!", Some("wrong [removed]!")),
            ("two\nlines\u{7}", Some("two lines")),
        ] {
            assert_eq!(clean(text, &["hunter2"]), shown.unwrap_or(text), "{text}");
        }
    }

    #[test]
    fn it_is_short() {
        assert_eq!(clean(&"word ".repeat(1000), &[]).chars().count(), 200);
    }

    proptest! {
        #[test]
        fn any_text_is_cleaned(text: String) {
            let clean = clean(&text, &["secret"]);
            prop_assert!(clean.chars().count() <= 200);
            prop_assert!(!clean.chars().any(char::is_control));
            prop_assert!(!clean.contains("secret"));
            prop_assert!(!clean.contains('@'));
        }
    }
}
