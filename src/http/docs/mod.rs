//! `/docs`: what is served, for people to read, and to try with a key of their own. Written from the OpenAPI document
//! and from the table of errors, as HTML that needs no script; the script adds what a request can be tried with.

mod api;
mod errors;
mod fields;
mod html;
mod operation;

use axum::body::Bytes;
use serde_json::Value;

use super::static_asset::StaticAsset;

/// One of the files that make up the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The API.
    Reference,
    /// The errors, where a problem's `type` leads.
    Errors,
    /// What they look like.
    Style,
    /// What lets requests be tried.
    Script,
}

impl Page {
    /// Every one.
    pub(crate) const ALL: [Self; 4] = [Self::Reference, Self::Errors, Self::Style, Self::Script];

    /// Where it stands. The pages name each other by relative references, so that a proxy may put them elsewhere.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Reference => "/docs",
            Self::Errors => "/docs/errors",
            Self::Style => "/docs/docs.css",
            Self::Script => "/docs/docs.js",
        }
    }

    /// Without the character set, which is UTF-8.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Reference | Self::Errors => "text/html",
            Self::Style => "text/css",
            Self::Script => "text/javascript",
        }
    }
}

/// The pages as they are served.
pub(crate) struct Docs {
    reference: StaticAsset,
    errors: StaticAsset,
    style: StaticAsset,
    script: StaticAsset,
}

const STYLE: &str = concat!(include_str!("../../look.css"), include_str!("docs.css"));
const SCRIPT: &str = include_str!("docs.js");

impl Docs {
    /// The pages for this OpenAPI document.
    pub(crate) fn new(document: &Value) -> Self {
        Self {
            reference: StaticAsset::new("text/html; charset=utf-8", api::page(document)),
            errors: StaticAsset::new("text/html; charset=utf-8", errors::page(document)),
            style: StaticAsset::new("text/css; charset=utf-8", Bytes::from_static(STYLE.as_bytes())),
            script: StaticAsset::new("text/javascript; charset=utf-8", Bytes::from_static(SCRIPT.as_bytes())),
        }
    }

    pub(crate) fn text(&self, page: Page) -> &StaticAsset {
        match page {
            Page::Reference => &self.reference,
            Page::Errors => &self.errors,
            Page::Style => &self.style,
            Page::Script => &self.script,
        }
    }
}

/// A member's text; empty if there is none.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The members of an object, by their names.
fn members<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(member).and_then(Value::as_object).into_iter().flatten()
}

/// The elements of an array.
fn elements<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// What a reference leads to, and whatever else as it is.
fn followed<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{SCRIPT, STYLE};

    #[test]
    fn style_and_script_ask_nobody_else_and_write_no_markup() {
        for text in [STYLE, SCRIPT, include_str!("guide.html")] {
            for word in [
                "http:",
                "https:",
                "//",
                "@import",
                "url(",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "eval(",
                " style=",
                "Storage",
                "cookie",
            ] {
                let found = text.lines().find(|line| line.contains(word) && !line.trim_start().starts_with("// "));
                assert_eq!(found, None, "{word}");
            }
        }
    }
}
