use std::fmt;

use super::Config;

impl Config {
    /// The settings that hold, as TOML: defaults, file and environment together. Of a secret it says that it is
    /// set, and from which file, never what it is.
    pub fn effective(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# these settings have no form in TOML: {error}\n"))
    }
}

impl fmt::Debug for Config {
    /// The same as [`Config::effective`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.effective())
    }
}
