use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{secret::MASK, validator::Validator};

/// `[upstream.login]`: the vendor's login.
// Its fields travel with the password and may be as private: no `Debug`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoginConfig {
    /// Fields of the login body besides `email` and `password`.
    #[serde(serialize_with = "names_only")]
    pub fields: Map<String, Value>,
    /// JSON pointers (RFC 6901) to the token in the answer; the first that matches a text is used.
    #[schemars(length(min = 1), inner(regex(pattern = "^(/([^~]|~[01])*)+$")))]
    pub token_pointers: Vec<String>,
    /// Share of a token's known life after which a new one is requested: above 0, at most 1.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub refresh_ahead: f64,
    /// Folder that keeps a refused or running login across restarts, so that a restart does not repeat the login and lock the
    /// account. Left out: `$STATE_DIRECTORY`, which a service manager sets, else the user's own state folder. Empty: off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
}

impl Default for LoginConfig {
    fn default() -> Self {
        let token_pointers = ["/data/access_token", "/data/token", "/access_token", "/token"];
        Self {
            fields: Map::new(),
            token_pointers: token_pointers.map(str::to_owned).to_vec(),
            refresh_ahead: 0.8,
            state_dir: None,
        }
    }
}

impl LoginConfig {
    /// Relative paths start from `folder`; `default` is used if nothing is set.
    pub(super) fn resolve_state_dir(&mut self, folder: &Path, default: Option<&Path>) {
        self.state_dir = match self.state_dir.take() {
            Some(off) if off.as_os_str().is_empty() => None,
            Some(set) => Some(folder.join(set)),
            None => default.map(Path::to_owned),
        };
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_, '_>) {
        for name in ["email", "password"].into_iter().filter(|name| self.fields.contains_key(*name)) {
            let reason = format!("holds `{name}`, which is a setting of its own");
            validator.require(
                false,
                "fields",
                &reason,
                &format!("set upstream.{name} or upstream.{name}_file instead"),
            );
        }
        for (name, _) in self.fields.iter().filter(|(_, value)| *value == MASK) {
            let reason = format!("holds for `{name}` the mask that `check` prints in place of a value");
            validator.require(false, "fields", &reason, "write the value that the vendor expects");
        }
        let remedy = "name at least one, as in [\"/data/access_token\"]";
        validator.require(!self.token_pointers.is_empty(), "token_pointers", "is empty", remedy);
        for (index, pointer) in self.token_pointers.iter().enumerate() {
            let remedy = "begin it with '/', and write '~0' for '~' and '~1' for '/' in a name";
            let setting = format!("token_pointers.{index}");
            validator.require(is_pointer(pointer), &setting, "is not a JSON pointer", remedy);
        }
    }
}

/// RFC 6901, section 3, without the empty pointer: a whole answer is not a token.
fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

fn names_only<S: Serializer>(fields: &Map<String, Value>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.keys().map(|name| (name, MASK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_begin_with_a_slash_and_escape_tildes() {
        for good in ["/", "/token", "/a~1b/~0"] {
            assert!(is_pointer(good), "{good:?} was refused");
        }
        for bad in ["", "token", "/a~", "/a~2", "/~~0"] {
            assert!(!is_pointer(bad), "{bad:?} was accepted");
        }
    }
}
