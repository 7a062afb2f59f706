use std::fmt;

use serde::de::{self, Unexpected};

use super::tree::Step;

/// Why a value does not fit its setting, and where. It never holds the value itself: that may be a secret.
#[derive(Debug)]
pub(super) struct Misfit {
    /// From the root to the value; for a setting that is missing, to the table that lacks it.
    pub(super) steps: Vec<Step>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A number where a text belongs, and the like.
    Type { expected: String, found: &'static str },
    /// The right type, but outside of what is allowed.
    Range { expected: String },
    /// No setting has this name.
    Unknown { valid: &'static [&'static str] },
    /// A mandatory setting is left out.
    Missing { name: &'static str },
    /// What the type itself says, as `reason; remedy`.
    Other(String),
}

impl Misfit {
    fn new(kind: Kind) -> Self {
        Self { steps: Vec::new(), kind }
    }

    /// The same misfit, seen from one table or list further up.
    pub(super) fn below(mut self, step: Step) -> Self {
        self.steps.insert(0, step);
        self
    }

    /// What is wrong, and what to do about it.
    pub(super) fn tell(&self) -> (String, String) {
        match &self.kind {
            Kind::Type { expected, found } => (
                format!("expected {expected}, found {found}"),
                match (self.brackets(found), expected.split_once(" such as ")) {
                    (Some(remedy), _) => remedy,
                    (None, Some((_, example))) => format!("write it in quotes, like {example}"),
                    (None, None) => format!("write {expected}"),
                },
            ),
            Kind::Range { expected } => (format!("is out of range: expected {expected}"), format!("write {expected}")),
            Kind::Unknown { valid } => {
                let name = match self.steps.last() {
                    Some(Step::Name(name)) => name.as_str(),
                    _ => "",
                };
                let known = format!("known here: {}", valid.join(", "));
                let remedy =
                    nearest(name, valid).map_or(known.clone(), |near| format!("did you mean `{near}`? {known}"));
                ("is not a known setting".to_owned(), remedy)
            }
            Kind::Missing { name } => (format!("`{name}` is missing"), format!("add `{name} = …`")),
            Kind::Other(text) => match text.split_once("; ") {
                Some((reason, remedy)) => (reason.to_owned(), remedy.to_owned()),
                None => (text.clone(), "correct it; `wesal-gateway schema` says what may stand here".to_owned()),
            },
        }
    }
}

impl Misfit {
    /// What to do where one kind of header stands in the place of the other: `[callers]` for `[[callers]]`, or the reverse.
    fn brackets(&self, found: &str) -> Option<String> {
        let names: Option<Vec<&str>> = self.steps.iter().map(Step::name).collect();
        match (names?.as_slice(), &self.kind) {
            ([list], Kind::Type { expected, .. }) if expected == A_LIST && found == A_TABLE => {
                Some(format!("write `[[{list}]]`, in double brackets, above each"))
            }
            (table @ [_, ..], Kind::Type { expected, .. }) if expected == TABLE_OF_SETTINGS && found == LIST => {
                Some(format!("write `[{}]`, in single brackets, and once", table.join(".")))
            }
            _ => None,
        }
    }
}

const A_LIST: &str = "a list in [ ]";
const A_TABLE: &str = "a table";
const LIST: &str = "a list";
const TABLE_OF_SETTINGS: &str = "a table of settings";

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reason, remedy) = self.tell();
        write!(f, "{reason}; {remedy}")
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(Kind::Other(text.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Kind::Type { expected: plainly(expected), found: name_of(&found) })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Kind::Range { expected: plainly(expected) })
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::new(Kind::Range { expected: plainly(expected) })
    }

    fn unknown_variant(_: &str, valid: &'static [&'static str]) -> Self {
        Self::new(Kind::Range { expected: format!("one of \"{}\"", valid.join("\", \"")) })
    }

    fn unknown_field(_: &str, valid: &'static [&'static str]) -> Self {
        Self::new(Kind::Unknown { valid })
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Kind::Missing { name })
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::new(Kind::Other(format!("`{name}` is given twice; keep one")))
    }
}

fn plainly(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a string" => "a text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => A_LIST.to_owned(),
        "f64" => "a number".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        nonzero if nonzero.starts_with("a nonzero ") => "a whole number, 1 or more".to_owned(),
        table if table.starts_with("struct ") || table == "a map" => TABLE_OF_SETTINGS.to_owned(),
        _ => text,
    }
}

fn name_of(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Char(_) | Unexpected::Str(_) => "a text",
        Unexpected::Seq => LIST,
        Unexpected::Map => A_TABLE,
        _ => "something else",
    }
}

/// The valid name that a wrong one was most likely meant to be.
fn nearest<'v>(name: &str, valid: &[&'v str]) -> Option<&'v str> {
    let limit = (name.chars().count() / 3).max(1);
    valid.iter().map(|v| (distance(name, v), *v)).filter(|(far, _)| *far <= limit).min().map(|(_, near)| near)
}

/// How many letters must be added, dropped or exchanged (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((y, above), corner) in b.chars().zip(row.iter().skip(1)).zip(row.iter()) {
            let left = next.last().copied().unwrap_or(i + 1);
            next.push((corner + usize::from(x != y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_understood() {
        let valid = ["listen", "base_path", "max_body"];
        assert_eq!(nearest("listn", &valid), Some("listen"));
        assert_eq!(nearest("basepath", &valid), Some("base_path"));
        assert_eq!(nearest("colour", &valid), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
