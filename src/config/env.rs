use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::de::DeValue;

use super::{
    Config,
    misfit::{Kind, Misfit},
    reader::Reader,
    secret_files,
    tree::{Node, Origin, Step, Value},
};

/// The variables that override the file: `WESAL_GATEWAY__SECTION__SETTING`, a further `__` for each table below.
///
/// Their values may be secrets, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    unreadable: Vec<String>,
    state_dir: Option<PathBuf>,
}

impl Environment {
    /// What every variable of ours begins with.
    pub const PREFIX: &'static str = "WESAL_GATEWAY__";

    /// The variables of this process: the only place that reads them.
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

    /// No variable at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Those whose value is not UTF-8.
    pub(super) fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// Where this process may keep what it has to know after a restart.
    pub(super) fn state_dir(&self) -> Option<&Path> {
        self.state_dir.as_deref()
    }

    /// Those that are there for a secret or its file, and hold nothing: as deployment tools leave them where what they
    /// were to hold is not set. The file's secret does not make way for them, nor may the gateway run without it unsaid.
    pub(super) fn empty_secrets(&self) -> impl Iterator<Item = &str> {
        let empty = self.variables.iter().filter(|(variable, text)| is_empty_secret(&names_of(variable), text));
        empty.map(|(variable, _)| variable.as_str())
    }

    /// Lays the variables over what the file says. What does not fit is found when the tree is read.
    pub(super) fn overlay(&self, tree: &mut Node) {
        for (variable, text) in &self.variables {
            let names = names_of(variable);
            if is_empty_secret(&names, text) {
                continue;
            }
            secret_files::make_way(tree, &names);
            tree.set(&names, candidate(&names, variable, text));
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    /// Keeps those with our prefix.
    fn from_iter<T: IntoIterator<Item = (N, V)>>(variables: T) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let variables = variables.filter(|(name, _)| name.starts_with(Self::PREFIX)).collect();
        Self { variables, ..Self::default() }
    }
}

/// What the service manager gives (systemd.exec(5), `StateDirectory=`), else the user's own (XDG Base Directory
/// Specification). A path that is not absolute counts as none.
fn state_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    const OURS: &str = "wesal-gateway";
    let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
    let given = variable("STATE_DIRECTORY").and_then(|folders| absolute(std::env::split_paths(&folders).next()?));
    let users = || absolute(PathBuf::from(variable("XDG_STATE_HOME")?));
    let home = || absolute(PathBuf::from(variable("HOME")?)).map(|home| home.join(".local/state"));
    given.or_else(|| users().or_else(home).map(|state| state.join(OURS)))
}

fn names_of(variable: &str) -> Vec<String> {
    variable.strip_prefix(Environment::PREFIX).unwrap_or(variable).split("__").map(name_of).collect()
}

fn is_empty_secret(names: &[String], text: &str) -> bool {
    text.is_empty() && secret_files::is_for_secret(names)
}

/// `MAX_BODY` is `max_body`; what is not all capitals is meant as it stands, as in a name of `upstream.login.fields`.
fn name_of(part: &str) -> String {
    if part.contains(|c: char| c.is_ascii_lowercase()) { part.to_owned() } else { part.to_ascii_lowercase() }
}

/// The variable's text as a TOML value where that fits the setting, else as it stands: `3s` needs no quotes.
/// A secret is always taken as it stands, be it made of digits or in quotes.
fn candidate(names: &[String], variable: &str, text: &str) -> Node {
    let plain = Node::new(Value::Text(text.to_owned()), Origin::Variable(variable.to_owned()));
    if secret_files::is_secret(names) {
        return plain;
    }
    let Ok(value) = DeValue::parse(text) else { return plain };
    let value = Node::from_variable(value.get_ref(), variable);
    match (misfit(names, &value), misfit(names, &plain)) {
        (None, _) => value,
        (Some(_), None) => plain,
        // Neither fits: keep the one whose fault says more than "wrong type".
        (Some(Misfit { kind: Kind::Type { .. }, .. }), Some(misfit)) if !matches!(misfit.kind, Kind::Type { .. }) => {
            plain
        }
        _ => value,
    }
}

/// Why the value does not fit the setting of these names, whatever else is set.
fn misfit(names: &[String], value: &Node) -> Option<Misfit> {
    let mut tree = Node::new(Value::Table(Vec::new()), Origin::Nowhere);
    tree.set(names, value.clone());
    let steps: Vec<Step> = names.iter().cloned().map(Step::Name).collect();
    Config::deserialize(Reader(&tree)).err().filter(|misfit| misfit.steps.starts_with(&steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_kept_where_the_service_manager_says_else_in_the_users_own_folder() {
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
