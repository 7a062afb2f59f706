use std::{fmt, path::Path};

use super::tree::Origin;

/// One thing that is wrong with the settings. Its texts never hold the value of a secret, and whatever in them
/// looks like a gateway key is cut out.
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

    /// Where it was written: a line of the file, or an environment variable.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The line of the file, counted from 1, unless it came from elsewhere.
    pub fn line(&self) -> Option<usize> {
        match self.origin {
            Origin::Line(line) => Some(line),
            _ => None,
        }
    }

    /// The setting, such as `cache.organization.ttl`; empty when the fault is the whole file's.
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// What is wrong.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What to do about it.
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

/// Everything that is wrong with the settings, in the order of the file, then of the environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// In order; a fault that was found twice counts once.
    pub(super) fn new(mut faults: Vec<ConfigError>) -> Self {
        faults.sort_by(|a, b| (&a.origin, &a.setting).cmp(&(&b.origin, &b.setting)));
        faults.dedup();
        Self(faults)
    }

    /// Each fault by itself.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "faults are only ever handed out when there are some")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(fault: ConfigError) -> Self {
        Self(vec![fault])
    }
}

/// The text with every gateway key shortened to its prefix: keys get pasted where hashes and names belong.
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
    fn a_pasted_key_is_cut_out_of_every_text() {
        let fault =
            ConfigError::new(Path::new("c.toml"), Origin::Line(3), "wgw_abc1", "no wgw_abc2, wgw_abc3", "say wgw_");
        assert_eq!(fault.to_string(), "c.toml:3: wgw_…: no wgw_…, wgw_…; say wgw_…");
    }
}
