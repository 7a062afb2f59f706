use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{secret::MASK, validator::Validator};

/// `[upstream.login]`: the shape of the vendor's login.
// Its fields travel with the password and may be as private: no `Debug`.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoginConfig {
    /// Further fields of the login's body, beside `email` and `password`.
    #[serde(serialize_with = "names_only")]
    pub fields: Map<String, Value>,
    /// Where in the answer the token may stand, as JSON pointers (RFC 6901); the first that leads to a text counts.
    #[schemars(length(min = 1), inner(regex(pattern = "^(/([^~]|~[01])*)+$")))]
    pub token_pointers: Vec<String>,
    /// The share of a token's known life after which a new one is got: above 0, at most 1.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub refresh_ahead: f64,
    /// A folder in which it is remembered that the vendor refused the login, or was being asked, so that a process that is
    /// started again does not ask again at once and lock the account. Left out: `$STATE_DIRECTORY`, which a service manager sets, else the
    /// user's own folder for state. Empty: nothing is remembered.
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
    /// Relative paths start from `folder`; `default` holds where nothing is set.
    pub(super) fn resolve_state_dir(&mut self, folder: &Path, default: Option<&Path>) {
        self.state_dir = match self.state_dir.take() {
            Some(off) if off.as_os_str().is_empty() => None,
            Some(set) => Some(folder.join(set)),
            None => default.map(Path::to_owned),
        };
    }

    pub(super) fn validate(&self, validator: &mut Validator<'_>) {
        for taken in ["email", "password"].into_iter().filter(|taken| self.fields.contains_key(*taken)) {
            let reason = format!("holds `{taken}`, which is a setting of its own");
            validator.require(
                false,
                "fields",
                &reason,
                &format!("set upstream.{taken} or upstream.{taken}_file instead"),
            );
        }
        for (name, _) in self.fields.iter().filter(|(_, value)| *value == MASK) {
            let reason = format!("holds for `{name}` what `check` shows in its place");
            validator.require(false, "fields", &reason, "write what the vendor is to be sent");
        }
        let example = "as in [\"/data/access_token\"]";
        let some = !self.token_pointers.is_empty();
        validator.require(
            some,
            "token_pointers",
            "is empty, so no token could be found",
            &format!("name one place, {example}"),
        );
        for pointer in self.token_pointers.iter().filter(|pointer| !is_pointer(pointer)) {
            let reason = format!("{pointer:?} is not a JSON pointer");
            let remedy = format!("begin it with '/', and write '~0' for '~' and '~1' for '/' in a name, {example}");
            validator.require(false, "token_pointers", &reason, &remedy);
        }
        let share = self.refresh_ahead > 0.0 && self.refresh_ahead <= 1.0;
        validator.require(
            share,
            "refresh_ahead",
            "is not a share of a life",
            "write a number above 0, at most 1, as in 0.8",
        );
    }
}

/// RFC 6901, section 3; the empty pointer is left out, as a whole answer is no token.
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
    fn a_pointer_begins_with_a_slash_and_escapes_well() {
        for good in ["/", "/token", "/a~1b/~0"] {
            assert!(is_pointer(good), "{good:?} was refused");
        }
        for bad in ["", "token", "/a~", "/a~2", "/~~0"] {
            assert!(!is_pointer(bad), "{bad:?} was taken");
        }
    }
}
