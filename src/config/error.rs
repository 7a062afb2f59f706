use std::{fmt, path::Path};

/// Where a setting is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// This line of the file, counted from 1.
    Line(usize),
    /// The environment variable of this name.
    Variable(String),
    /// Nowhere: its default is used.
    Nowhere,
}

/// An error in the settings. Its texts never contain the value of a secret, and text that looks like a gateway key is
/// cut out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    origin: Origin,
    setting: String,
    reason: String,
    remedy: String,
}

impl ConfigError {
    pub(super) fn new(file: &Path, origin: Origin, setting: &str, reason: &str, remedy: &str) -> Self {
        let file = file.display().to_string();
        Self {
            file,
            origin,
            setting: without_keys(setting),
            reason: without_keys(reason),
            remedy: without_keys(remedy),
        }
    }

    /// Where the setting is written.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The line of the file, counted from 1, if the setting is written there.
    pub fn line(&self) -> Option<usize> {
        match self.origin {
            Origin::Line(line) => Some(line),
            _ => None,
        }
    }

    /// The setting, such as `cache.organization.ttl`; empty if the error concerns the whole file.
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Why the setting is refused.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How to fix it.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Line(line) => write!(f, "{}:{line}: ", self.file)?,
            Origin::Variable(name) => write!(f, "{name}: ")?,
            Origin::Nowhere => write!(f, "{}: ", self.file)?,
        }
        if !self.setting.is_empty() {
            write!(f, "{}: ", self.setting)?;
        }
        write!(f, "{}; {}", self.reason, self.remedy)
    }
}

/// All errors in the settings, in the order of the file, then of the environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Sorts the errors; one that was found twice counts once.
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|a, b| (&a.origin, &a.setting).cmp(&(&b.origin, &b.setting)));
        errors.dedup();
        Self(errors)
    }

    /// Each error.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// Shortens every gateway key in the text to its prefix: keys get pasted where hashes and names belong.
fn without_keys(text: &str) -> String {
    const PREFIX: &str = "wgw_";
    let mut pieces = text.split(PREFIX);
    let mut clean = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        clean.push_str("wgw_…");
        clean.push_str(piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_keys_are_cut_out_of_every_text() {
        let error =
            ConfigError::new(Path::new("c.toml"), Origin::Line(3), "wgw_abc1", "no wgw_abc2, wgw_abc3", "say wgw_");
        assert_eq!(error.to_string(), "c.toml:3: wgw_…: no wgw_…, wgw_…; say wgw_…");
    }
}
