use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serializer};
use subtle::ConstantTimeEq;

/// The mask of a secret.
pub(super) const MASK: &str = "(set)";

/// A secret text. It is wiped from memory when dropped, and has no `Debug`, `Display` or `Serialize`, so that nothing shows
/// it by accident. Empty means not set.
#[derive(Clone, Default)]
pub struct Secret {
    text: SecretString,
    file: Option<PathBuf>,
}

impl Secret {
    /// A secret of this text.
    pub fn new(text: &str) -> Self {
        Self { text: SecretString::from(text), file: None }
    }

    /// A secret that was read from `file`.
    pub fn from_file(text: &str, file: &Path) -> Self {
        Self { text: SecretString::from(text), file: Some(file.to_owned()) }
    }

    /// The file that it was read from, if any.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The same text, with the file of `other`.
    pub fn from_where(self, other: &Self) -> Self {
        Self { file: other.file.clone(), ..self }
    }

    /// Whether it is not set.
    pub fn is_empty(&self) -> bool {
        self.text.expose_secret().is_empty()
    }

    /// Whether it is what [`Secret::mask`] writes: printed settings were used as settings.
    pub(super) fn is_a_mask(&self) -> bool {
        let text = self.text.expose_secret();
        text == MASK || (text.starts_with("(set, from ") && text.ends_with(')'))
    }

    /// The text, for the code that sends or compares it.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Writes that it is set, and its file, never the text. For `#[serde(serialize_with = …)]`.
    pub(super) fn mask<S: Serializer>(secret: &Self, serializer: S) -> Result<S::Ok, S::Error> {
        match &secret.file {
            _ if secret.is_empty() => serializer.serialize_str(""),
            Some(file) => serializer.collect_str(&format_args!("(set, from {})", file.display())),
            None => serializer.serialize_str(MASK),
        }
    }
}

/// Leaves out the setting of a secret's file, which the mask shows.
pub(super) fn mask_shows_path(_: &Option<PathBuf>) -> bool {
    true
}

impl PartialEq for Secret {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SecretString::deserialize(deserializer).map(|text| Self { text, file: None })
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true, "description": "a secret text, which is never shown; empty: not set" })
    }
}
