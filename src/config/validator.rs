use std::path::Path;

use super::{
    error::ConfigError,
    tree::{Node, State, Step, Value, steps},
};

/// Gathers what the sections' `validate` find, and knows where each setting was written.
pub struct Validator<'a> {
    file: &'a Path,
    tree: &'a Node,
    written: &'a Node,
    at: Vec<Step>,
    /// The time of the check.
    pub now: jiff::Timestamp,
    /// Whether lines could not be read: a setting that is not there may stand on one of them.
    pub(super) guessed: bool,
    pub(super) faults: Vec<ConfigError>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Validator<'a> {
    /// `written` is the tree before anything in it was marked: it has the names to show.
    pub(super) fn new(file: &'a Path, tree: &'a Node, written: &'a Node, now: jiff::Timestamp) -> Self {
        Self { file, tree, written, at: Vec::new(), now, guessed: false, faults: Vec::new(), warnings: Vec::new() }
    }

    /// Checks what is in the table of this name.
    pub fn section(&mut self, name: &str, inner: impl FnOnce(&mut Self)) {
        self.at.push(Step::Name(name.to_owned()));
        inner(self);
        self.at.pop();
    }

    /// Checks one entry of a list. `index` counts the entries that could be read; the report counts all.
    pub(super) fn entry(&mut self, index: usize, inner: impl FnOnce(&mut Self)) {
        let written = match self.tree.at(&self.at).map(|node| &node.value) {
            Some(Value::List(items)) => {
                let mut readable = items.iter().enumerate().filter(|(_, item)| item.state != State::Damaged);
                readable.nth(index).map(|(written, _)| written)
            }
            _ => None,
        };
        self.at.push(Step::Index(written.unwrap_or(index)));
        inner(self);
        self.at.pop();
    }

    /// Reports the setting unless the condition holds; without a name, where the check now stands.
    pub fn require(&mut self, holds: bool, setting: &str, reason: &str, remedy: &str) {
        self.require_all(holds, &[setting], reason, remedy);
    }

    /// Whether something in this setting, named from the root, has a fault already.
    pub(super) fn is_damaged(&self, setting: &str) -> bool {
        self.tree.at(&steps(setting).collect::<Vec<_>>()).is_some_and(Node::is_damaged)
    }

    /// Reports settings that contradict each other, at the first of them that is written, else at
    /// the table they belong in. Says nothing if one of them has a fault of its own: what was meant cannot be known.
    pub(super) fn require_all(&mut self, holds: bool, settings: &[&str], reason: &str, remedy: &str) {
        if holds {
            return;
        }
        let paths: Vec<Vec<Step>> =
            settings.iter().map(|setting| self.at.iter().cloned().chain(steps(setting)).collect()).collect();
        if paths.iter().filter_map(|path| self.tree.at(path)).any(Node::is_damaged) {
            return;
        }
        if self.guessed && paths.iter().any(|path| self.tree.at(path).is_none()) {
            return;
        }
        let written = paths.iter().find(|path| self.tree.at(path).is_some());
        if let Some(path) = written.or(paths.first()) {
            let origin = self.tree.origin_of(path);
            self.faults.push(ConfigError::new(self.file, origin, &self.written.label(path), reason, remedy));
        }
    }

    /// Where the check now stands, such as `callers[1] ("wallboard")`.
    pub(super) fn path(&self) -> String {
        self.written.label(&self.at)
    }

    /// Says what is allowed but hardly meant, about where the check now stands.
    pub fn warn(&mut self, text: &str) {
        let label = self.path();
        self.warnings.push(if label.is_empty() { text.to_owned() } else { format!("{label}: {text}") });
    }
}
