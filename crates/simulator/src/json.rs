//! JSON written as text, which keeps the order of fields and the spelling of numbers.

use std::fmt::{Display, Write as _};

/// Builds an object. Fields keep the order in which they are added.
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Self(String::from("{"))
    }

    /// Adds a value that is already JSON.
    pub(crate) fn raw(mut self, name: &str, value: impl Display) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Writing into a String cannot fail.
        let _ = write!(self.0, "{}:{value}", text(name));
        self
    }

    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        let quoted = text(value);
        self.raw(name, quoted)
    }

    pub(crate) fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Returns an array of values that are already JSON.
pub(crate) fn array(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// Returns a JSON string.
pub(crate) fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// Returns hundredths as a decimal with two places: 80 is `0.80`.
pub(crate) fn hundredths(value: i64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_order_and_number_spelling_are_kept() {
        let object = Object::new().raw("z", "1.0").text("a", "x\"y").raw("m", hundredths(80)).close();
        assert_eq!(object, r#"{"z":1.0,"a":"x\"y","m":0.80}"#);
        assert_eq!(array([object]), r#"[{"z":1.0,"a":"x\"y","m":0.80}]"#);
        assert_eq!(Object::new().close(), "{}");
    }
}
