//! The vendor's own words, made fit to be shown to a caller: short, on one line, and with nothing in them
//! that is shaped like a token, a key, an e-mail address or a phone number. Pure.

const MOST_CHARS: usize = 200;
const REMOVED: &str = "[removed]";

/// Cleans `text`; `secrets` are removed wherever they stand, whatever their shape.
pub(super) fn clean(text: &str, secrets: &[&str]) -> String {
    if is_markup(text) {
        return String::new();
    }
    // First, for what is spaced otherwise than a secret is shown spaced as it. And all of it: cut before, a secret at
    // the cut would not be known.
    let mut text = single_spaced(text);
    let mut secrets: Vec<String> =
        secrets.iter().map(|secret| single_spaced(secret)).filter(|secret| secret.len() >= 3).collect();
    // The longest first: of one that begins with another nothing must be left.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in &secrets {
        text = text.replace(secret, REMOVED);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut shown: Vec<&str> = Vec::with_capacity(words.len());
    let mut rest = words.as_slice();
    while let Some((word, after)) = rest.split_first() {
        // A phone number may be written in groups: they are judged together.
        let groups = rest.iter().take_while(|word| is_number_group(word)).count();
        if digits(rest.iter().take(groups)) >= PHONE_DIGITS {
            shown.push(REMOVED);
            rest = rest.get(groups..).unwrap_or_default();
            continue;
        }
        shown.push(if is_telling(word) { REMOVED } else { word });
        rest = after;
    }
    shown.join(" ").chars().take(MOST_CHARS).collect()
}

fn single_spaced(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// A page within a message tells of the machine that made it, and nobody reads it so.
fn is_markup(text: &str) -> bool {
    text.split('<').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)))
}

const PHONE_DIGITS: usize = 7;

fn is_number_group(word: &str) -> bool {
    word.chars().any(char::is_numeric) && word.chars().all(|c| c.is_numeric() || "+-().,;:/_".contains(c))
}

fn digits<'a>(words: impl Iterator<Item = &'a &'a str>) -> usize {
    words.flat_map(|word| word.chars()).filter(|c| c.is_numeric()).count()
}

fn is_telling(word: &str) -> bool {
    let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
    // A queue's or company's id is what the caller most needs to read.
    if is_uuid(inner) {
        return false;
    }
    let longest_run = word.split(|c: char| !(c.is_ascii_alphanumeric() || "_-+/=.~".contains(c))).map(str::len).max();
    let longest_number = word.split(|c: char| !(c.is_numeric() || "+-()./_".contains(c))).map(digits_in).max();
    word.contains('@')
        || word.contains("eyJ")
        || word.contains("wgw_")
        || longest_run.unwrap_or(0) >= 20
        || longest_number.unwrap_or(0) >= PHONE_DIGITS
}

fn digits_in(text: &str) -> usize {
    text.chars().filter(|c| c.is_numeric()).count()
}

fn is_uuid(word: &str) -> bool {
    let groups: Vec<&str> = word.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|c| c.is_ascii_hexdigit() || c == b'x'))
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
            ("keys begin with wgw_", Some("keys begin with [removed]")),
            ("caller tel:+966551234567.", Some("caller [removed]")),
            ("call +966 55 123 4567 now", Some("call [removed] now")),
            ("id RW5jb2RlIHRvIEJhc2U2NCBmb3JtYXQ=", Some("id [removed]")),
            (
                "9363d889-1234-5678-9012-123456789012 +966551234567",
                Some("9363d889-1234-5678-9012-123456789012 [removed]"),
            ),
            ("call \u{660}\u{665}\u{665}\u{661}\u{662}\u{663}\u{664}", Some("call [removed]")),
            ("call 055/123/4567", Some("call [removed]")),
            ("between 1 and 100, not 250", None),
            ("wrong hunter2!", Some("wrong [removed]!")),
            ("no correct \t horse, nor correct\u{a0}horse", Some("no [removed], nor [removed]")),
            (&format!("{} hunter2", "x".repeat(795)), Some("[removed] [removed]")),
            (&format!("{}hunter2", " ".repeat(795)), Some("[removed]")),
            ("two\nlines\u{7}", Some("two lines")),
        ] {
            assert_eq!(clean(text, &["hunter2", "correct  horse"]), shown.unwrap_or(text), "{text}");
        }
    }

    #[test]
    fn of_a_secret_that_begins_with_another_nothing_is_left() {
        assert_eq!(clean("wrong hunter2!", &["hunt", "hunter2"]), "wrong [removed]!");
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
