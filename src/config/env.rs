use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use toml::de::DeValue;

use super::{
    document::{Document, child},
    secret_files::SECRETS,
    structure::{Structure, type_of},
};

/// The tables that a variable may name within each other. No setting but a free one of `upstream.login.fields` is as deep.
const MAX_DEPTH: usize = 32;

/// The environment variables that override the file: `WESAL_GATEWAY__SECTION__SETTING`, with a further `__` for each table
/// below.
// Their values may be secrets: no `Debug`.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// Variables whose value is not UTF-8.
    unreadable: Vec<String>,
    state_dir: Option<PathBuf>,
}

impl Environment {
    /// The prefix of every variable.
    pub const PREFIX: &'static str = "WESAL_GATEWAY__";

    /// Reads the variables of this process. Nothing else reads them.
    pub fn from_process() -> Self {
        let mut environment = Self { state_dir: state_dir(|name| std::env::var_os(name)), ..Self::default() };
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(Self::PREFIX)) else { continue };
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name.to_owned(), value)),
                Err(_) => environment.unreadable.push(name.to_owned()),
            }
        }
        environment
    }

    /// No variables.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The folder for state that outlives the process.
    pub(super) fn state_dir(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }

    /// Lays the variables over what the file says.
    pub(super) fn overlay(&self, document: &mut Document<'_>, structure: &Structure) {
        for variable in &self.unreadable {
            document.report_variable(variable, "its value is not UTF-8", "set it to a text, or unset it");
        }
        for (variable, text) in &self.variables {
            let path = variable.strip_prefix(Self::PREFIX).unwrap_or(variable);
            let names: Vec<String> = path.split("__").map(setting_name).collect();
            if names.len() > MAX_DEPTH {
                document.report_variable(variable, "it names a table within too many tables", "unset it");
                continue;
            }
            let pointer = names.iter().fold(String::new(), |pointer, name| child(&pointer, name));
            let secret = pointer.strip_suffix("_file").unwrap_or(&pointer);
            let secret = SECRETS.into_iter().find(|known| *known == secret);
            if let Some(secret) = secret {
                // Deployment tools leave an empty variable where its source is not set. It must not replace the secret, and
                // the gateway must not run without the secret silently.
                if text.is_empty() {
                    let remedy = "unset it to use the secret of the file, or set it";
                    document.report_variable(variable, "it is empty, but meant for a secret", remedy);
                    continue;
                }
                document.remove_from_file(secret);
                document.remove_from_file(&format!("{secret}_file"));
            }
            let plain = || DeValue::String(text.as_str().into());
            let property = structure.property(&pointer).map(|property| structure.resolve(property));
            let value = match DeValue::parse(text) {
                // A secret is taken literally, quotes included.
                _ if secret == Some(&pointer) => plain(),
                Ok(value) if value.get_ref().is_str() => value.into_inner(),
                Ok(value) if property.and_then(type_of) != Some("string") => value.into_inner(),
                _ => plain(),
            };
            document.set(&names, &value, variable);
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    /// Keeps the variables with the prefix.
    fn from_iter<T: IntoIterator<Item = (N, V)>>(variables: T) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let variables = variables.filter(|(name, _)| name.starts_with(Self::PREFIX)).collect();
        Self { variables, ..Self::default() }
    }
}

/// The folder that the service manager gives (systemd.exec(5), `StateDirectory=`), else the user's own (XDG Base Directory
/// Specification). A path that is not absolute is ignored.
fn state_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    const NAME: &str = "wesal-gateway";
    let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
    let given = variable("STATE_DIRECTORY").and_then(|folders| absolute(std::env::split_paths(&folders).next()?));
    let user = || absolute(PathBuf::from(variable("XDG_STATE_HOME")?));
    let home = || absolute(PathBuf::from(variable("HOME")?)).map(|home| home.join(".local/state"));
    given.or_else(|| user().or_else(home).map(|state| state.join(NAME)))
}

/// `MAX_BODY` is `max_body`; a name that is not all capitals, such as one of `upstream.login.fields`, stays as it is.
fn setting_name(part: &str) -> String {
    if part.contains(|c: char| c.is_ascii_lowercase()) { part.to_owned() } else { part.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_directory_is_the_service_managers_else_the_users() {
        let of = |variables: &[(&str, &str)]| {
            let found = state_dir(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()));
            found.map(|path| path.display().to_string())
        };
        let home = ("HOME", "/home/x");
        assert_eq!(of(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), home]).as_deref(), Some("/var/lib/a"));
        assert_eq!(of(&[("XDG_STATE_HOME", "/state"), home]).as_deref(), Some("/state/wesal-gateway"));
        assert_eq!(of(&[("XDG_STATE_HOME", "here"), home]).as_deref(), Some("/home/x/.local/state/wesal-gateway"));
        assert_eq!(of(&[("HOME", "")]), None);
        assert_eq!(of(&[]), None);
    }
}
