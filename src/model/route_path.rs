use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{CompanyId, InvalidCompanyId, query::percent_encode};

/// A path under the base URL, as a template: a segment in braces, `{name}`, stands for any one segment. It is the
/// route's name in logs and metrics too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoutePath(String);

/// Why a text is no [`RoutePath`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoutePath {
    /// It does not begin with `/`, or has an empty segment.
    #[error("is not a path of segments, such as \"/queries/agents/{{id}}\", below the base path")]
    Segments,
    /// Something in a segment would have to be percent-encoded.
    #[error("may hold letters, digits, '-', '.', '_', '~' and {{name}} alone")]
    Characters,
    /// `.` or `..`.
    #[error("has a segment \".\" or \"..\", which means another path")]
    Dots,
    /// Two parameters have one name.
    #[error("has two parameters of one name")]
    Twice,
    /// More than it may.
    #[error("is longer than {most} characters", most = RoutePath::MOST)]
    TooLong,
}

/// A parameter's value that cannot be handed on, with the parameter's name.
#[derive(Debug, PartialEq, Eq)]
pub struct BadParameter {
    /// Which.
    pub name: String,
    /// What is wrong.
    pub why: String,
}

/// A path whose parameters are filled in.
#[derive(Clone, PartialEq, Eq)]
pub struct FilledPath {
    /// Under the base URL, percent-encoded.
    pub target: String,
    /// What `{companyId}` is, where there is one.
    pub company: Option<CompanyId>,
}

/// The parameter that names a company, as in the reference: callers that are held to some companies are held to them here.
pub const COMPANY_PARAMETER: &str = "companyId";

impl RoutePath {
    /// What a parameter's value matches (ECMA-262), where it is not `{companyId}`.
    pub const VALUE_PATTERN: &str = "^(?!\\.{1,2}$)[^/\\\\\\u0000-\\u001f\\u007f-\\u009f]+$";
    /// How long it may be.
    pub const MOST: usize = 200;

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.0.split('/').skip(1).map(Segment::of)
    }

    /// The names of its parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name),
            Segment::Literal(_) => None,
        })
    }

    /// Its first segment, if that is no parameter.
    pub fn first_literal(&self) -> Option<&str> {
        match self.segments().next()? {
            Segment::Literal(text) => Some(text),
            Segment::Parameter(_) => None,
        }
    }

    /// Whether every path that fits the one fits the other.
    pub fn is_same(&self, other: &Self) -> bool {
        let shape = |path: &Self| -> Vec<Option<String>> {
            let literal = |segment| match segment {
                Segment::Literal(text) => Some(str::to_owned(text)),
                Segment::Parameter(_) => None,
            };
            path.segments().map(literal).collect()
        };
        shape(self) == shape(other)
    }

    /// Whether `path`, as it came, is one of those that are meant.
    pub fn fits(&self, path: &str) -> bool {
        self.fits_by(path, |text, came| text == came)
    }

    /// Whether a server that takes capital and small letters for the same would mean it by `path`.
    pub fn fits_in_any_case(&self, path: &str) -> bool {
        self.fits_by(path, str::eq_ignore_ascii_case)
    }

    fn fits_by(&self, path: &str, is: fn(&str, &str) -> bool) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut came = path.split('/');
        let fits = self.segments().all(|segment| match (segment, came.next()) {
            (Segment::Literal(text), Some(came)) => is(text, came),
            (Segment::Parameter(_), Some(came)) => !came.is_empty(),
            (_, None) => false,
        });
        fits && came.next().is_none()
    }

    /// The vendor's path for `path`, which [`fits`](Self::fits): each parameter read and written anew, so that two
    /// spellings are one, and none leads elsewhere.
    ///
    /// # Errors
    /// A parameter is no text, or no single segment.
    pub fn filled(&self, path: &str) -> Result<FilledPath, BadParameter> {
        let mut filled = FilledPath { target: String::with_capacity(path.len()), company: None };
        for (segment, came) in self.segments().zip(path.split('/').skip(1)) {
            filled.target.push('/');
            match segment {
                Segment::Literal(text) => filled.target.push_str(text),
                Segment::Parameter(name) => {
                    let bad = |why: &str| BadParameter { name: name.to_owned(), why: why.to_owned() };
                    let value = percent_encoding::percent_decode_str(came).decode_utf8();
                    let value = value.map_err(|_| bad("this is not percent-encoded UTF-8"))?;
                    if value.chars().any(char::is_control) {
                        return Err(bad("this may hold no control character"));
                    }
                    // Some servers read them as a path of their own after all.
                    if matches!(&*value, "." | "..") || value.contains(['/', '\\']) {
                        return Err(bad("this must be one segment of a path, without a slash"));
                    }
                    if name == COMPANY_PARAMETER {
                        let company: CompanyId =
                            value.parse().map_err(|error: InvalidCompanyId| bad(&error.to_string()))?;
                        filled.company = Some(company);
                    }
                    percent_encode(&value, &mut filled.target);
                }
            }
        }
        Ok(filled)
    }
}

enum Segment<'a> {
    Literal(&'a str),
    Parameter(&'a str),
}

impl<'a> Segment<'a> {
    fn of(text: &'a str) -> Self {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) => Self::Parameter(name),
            None => Self::Literal(text),
        }
    }
}

impl FromStr for RoutePath {
    type Err = InvalidRoutePath;

    fn from_str(text: &str) -> Result<Self, InvalidRoutePath> {
        if text.len() > Self::MOST {
            return Err(InvalidRoutePath::TooLong);
        }
        let path = Self(text.to_owned());
        if !text.starts_with('/') {
            return Err(InvalidRoutePath::Segments);
        }
        let mut names = Vec::new();
        for segment in path.segments() {
            let (text, is_good): (&str, fn(char) -> bool) = match segment {
                Segment::Literal(text) => (text, |c| c.is_ascii_alphanumeric() || "-._~".contains(c)),
                Segment::Parameter(name) => (name, |c| c.is_ascii_alphanumeric() || c == '_'),
            };
            if text.is_empty() {
                return Err(InvalidRoutePath::Segments);
            }
            if !text.chars().all(is_good) {
                return Err(InvalidRoutePath::Characters);
            }
            match segment {
                Segment::Literal("." | "..") => return Err(InvalidRoutePath::Dots),
                Segment::Parameter(name) if names.contains(&name) => return Err(InvalidRoutePath::Twice),
                Segment::Parameter(name) => names.push(name),
                Segment::Literal(_) => {}
            }
        }
        drop(names);
        Ok(path)
    }
}

impl TryFrom<String> for RoutePath {
    type Error = InvalidRoutePath;

    fn try_from(text: String) -> Result<Self, InvalidRoutePath> {
        text.parse()
    }
}

impl From<RoutePath> for String {
    fn from(path: RoutePath) -> Self {
        path.0
    }
}

impl fmt::Display for RoutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> RoutePath {
        text.parse().unwrap()
    }

    #[test]
    fn a_template_is_segments_and_names() {
        use InvalidRoutePath as I;
        for (text, wrong) in [
            ("", I::Segments),
            ("/", I::Segments),
            ("agents", I::Segments),
            ("/agents/", I::Segments),
            ("//agents", I::Segments),
            ("/{}", I::Segments),
            ("/agents/{id", I::Characters),
            ("/agents/x{id}", I::Characters),
            ("/agents/{i-d}", I::Characters),
            ("/agents?x=1", I::Characters),
            ("/agents/%61", I::Characters),
            ("/größe", I::Characters),
            ("/../auth/login", I::Dots),
            ("/{id}/{id}", I::Twice),
        ] {
            assert_eq!(text.parse::<RoutePath>(), Err(wrong), "{text}");
        }
        assert_eq!(format!("/{}", "x".repeat(200)).parse::<RoutePath>(), Err(I::TooLong));
        assert_eq!(path("/queries/agents/{id}/calls/{callId}").parameters().collect::<Vec<_>>(), ["id", "callId"]);
        assert!(path("/a/{x}").is_same(&path("/a/{y}")) && !path("/a/{x}").is_same(&path("/a/x")));
    }

    #[test]
    fn a_path_fits_segment_by_segment() {
        let agents = path("/queries/agents/{id}/calls");
        for (came, fits) in [
            ("/queries/agents/7/calls", true),
            ("/queries/agents/%2F/calls", true),
            ("/queries/agents//calls", false),
            ("/queries/agents/7/calls/", false),
            ("/queries/agents/7", false),
            ("/queries/agents/7/calls/8", false),
            ("/Queries/agents/7/calls", false),
            ("queries/agents/7/calls", false),
        ] {
            assert_eq!(agents.fits(came), fits, "{came}");
        }
    }

    #[test]
    fn a_parameter_is_one_segment_however_it_is_spelled() {
        let agents = path("/agents/{id}");
        let target = |came: &str| agents.filled(&format!("/agents/{came}")).map(|filled| filled.target);
        assert_eq!(target("a%62c"), Ok("/agents/abc".to_owned()));
        assert_eq!(target("%C3%A9+%20%3F"), target("%c3%a9%2b%20%3f"));
        for bad in ["..", "%2e%2E", ".", "a%2Fb", "a%5cb", "%00", "a%0Ab", "%ff"] {
            assert_eq!(target(bad).unwrap_err().name, "id", "{bad}");
        }
        let of_company = path("/companies/{companyId}/agents");
        let company = |id: &str| of_company.filled(&format!("/companies/{id}/agents")).map(|filled| filled.company);
        assert_eq!(company("100301"), Ok(Some("100301".parse().unwrap())));
        assert_eq!(company("x").unwrap_err().name, "companyId");
        assert_eq!(company("0100301").unwrap_err().name, "companyId");
    }

    #[test]
    fn the_pattern_is_what_is_taken() {
        let pattern = jsonschema::validator_for(&serde_json::json!({"pattern": RoutePath::VALUE_PATTERN})).unwrap();
        for value in ["a", "..a", "...", ".", "..", "a/b", "a\\b", "a\u{9f}", "a\n", "é ü", " ", "\u{a0}"] {
            let mut came = String::from("/a/");
            percent_encode(value, &mut came);
            let taken = path("/a/{x}").filled(&came).is_ok();
            assert_eq!(pattern.is_valid(&value.into()), taken, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_filled_in_fits_and_stays_what_it_is(value in "\\PC{1,20}") {
            let template = path("/a/{x}/b");
            let mut came = String::from("/a/");
            percent_encode(&value, &mut came);
            came.push_str("/b");
            prop_assert!(template.fits(&came));
            if let Ok(filled) = template.filled(&came) {
                prop_assert!(template.fits(&filled.target));
                prop_assert_eq!(template.filled(&filled.target).unwrap().target, filled.target);
            }
        }
    }
}
