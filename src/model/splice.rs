use std::borrow::Cow;

use serde_json::value::RawValue;

use super::json::Members;

/// A JSON document taken apart around one array in it, so that it can be put together again with other rows and every
/// other byte as it was.
pub struct Spliced<'a> {
    /// All before the rows, the array's `[` included.
    pub before: &'a str,
    /// The rows, byte for byte.
    pub rows: Vec<&'a RawValue>,
    /// All after the rows, the array's `]` included.
    pub after: &'a str,
}

/// Takes `text` apart around the array at `/{outer}/{inner}`. `None` if there is no such array, or more than one: a
/// doubled name would leave open which is meant.
pub fn splice<'a>(text: &'a str, outer: &str, inner: &str) -> Option<Spliced<'a>> {
    let document: &RawValue = serde_json::from_str(text).ok()?;
    let list = only_member(only_member(document, outer)?, inner)?.get();
    let rows = serde_json::from_str(list).ok()?;
    // `list` is a slice of `text`, so the distance of their starts is where it stands.
    let start = (list.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let before = text.get(..=start)?;
    let after = text.get((start + list.len()).checked_sub(1)?..)?;
    Some(Spliced { before, rows, after })
}

/// The value of the member `name` of an object, if it stands there once.
pub fn only_member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let mut found = members_named(object, name);
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

/// Returns the members of an object in their order; none if it is not an object.
pub fn object_members(object: &RawValue) -> Vec<(Cow<'_, str>, &RawValue)> {
    serde_json::from_str(object.get()).map(|Members(members)| members).unwrap_or_default()
}

/// The values of all members `name` of an object, in their order; none if it is no object.
pub fn members_named<'a>(object: &'a RawValue, name: &str) -> impl Iterator<Item = &'a RawValue> {
    object_members(object)
        .into_iter()
        .filter(move |(member, _): &(Cow<'_, str>, _)| member == name)
        .map(|(_, value)| value)
}

impl Spliced<'_> {
    /// The document with `rows` in the array's place.
    pub fn with<'r>(&self, rows: impl Iterator<Item = &'r str>) -> String {
        let mut text = String::with_capacity(self.before.len() + self.after.len() + 1024);
        text.push_str(self.before);
        for (i, row) in rows.enumerate() {
            if i > 0 {
                text.push(',');
            }
            text.push_str(row);
        }
        text.push_str(self.after);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_rows_stays_byte_for_byte() {
        let text = r#" { "data" : {"a": 1.0, "rows" :[ {"x": 1e2} , 2,"ü"] , "z":{}}, "success":true } "#;
        let spliced = splice(text, "data", "rows").unwrap();
        let rows: Vec<_> = spliced.rows.iter().map(|row| row.get()).collect();
        assert_eq!(rows, [r#"{"x": 1e2}"#, "2", r#""ü""#]);
        assert_eq!(
            spliced.with(["3", "4"].into_iter()),
            r#" { "data" : {"a": 1.0, "rows" :[3,4] , "z":{}}, "success":true } "#
        );
        assert!(spliced.with(std::iter::empty()).contains(r#""rows" :[]"#));
    }

    #[test]
    fn what_is_not_there_once_is_not_taken_apart() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"data":{}}"#,
            r#"{"data":{"rows":{}}}"#,
            r#"{"data":{"rows":[]},"data":{}}"#,
            r#"{"data":{"rows":[1],"rows":[2]}}"#,
            r#"{"data":{"rows":[1],"\u0072ows":[2]}}"#,
            r#"{"data":{"rows":[1}"#,
        ] {
            assert!(splice(text, "data", "rows").is_none(), "{text}");
        }
    }
}
