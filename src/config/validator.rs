use super::document::{Document, child};

/// Collects what the sections' `validate` methods find, and names each setting with its place.
pub struct Validator<'a, 'f> {
    document: &'a mut Document<'f>,
    pointer: String,
    /// The time of the check.
    pub now: jiff::Timestamp,
    pub(super) warnings: Vec<String>,
}

impl<'a, 'f> Validator<'a, 'f> {
    pub(super) fn new(document: &'a mut Document<'f>, now: jiff::Timestamp) -> Self {
        Self { document, pointer: String::new(), now, warnings: Vec::new() }
    }

    /// Checks the table of this name, or the entry of this index, within the current one.
    pub fn section(&mut self, name: &str, check: impl FnOnce(&mut Self)) {
        let pointer = child(&self.pointer, name);
        let outer = std::mem::replace(&mut self.pointer, pointer);
        check(self);
        self.pointer = outer;
    }

    /// As [`Validator::section`], for an entry of a list.
    pub fn entry(&mut self, index: usize, check: impl FnOnce(&mut Self)) {
        self.section(&index.to_string(), check);
    }

    /// Reports the setting unless the condition holds. The name is dotted, relative to the current section; an empty one
    /// means the section itself.
    pub fn require(&mut self, holds: bool, setting: &str, reason: &str, remedy: &str) {
        self.require_all(holds, &[setting], reason, remedy);
    }

    /// Reports settings that contradict each other, at the first of them that is written. Reports nothing if one of
    /// them has an error of its own, or may be on a line that could not be parsed: what was meant is not known.
    pub fn require_all(&mut self, holds: bool, settings: &[&str], reason: &str, remedy: &str) {
        if holds {
            return;
        }
        let pointers: Vec<String> = settings.iter().map(|setting| self.resolve(setting)).collect();
        let is_written = |pointer: &&String| self.document.is_written(pointer);
        let may_be_written = |pointer: &String| !is_written(&pointer) && self.document.may_be_on_broken_line(pointer);
        if pointers.iter().any(may_be_written) || pointers.iter().any(|pointer| self.document.is_invalid(pointer)) {
            return;
        }
        if let Some(pointer) = pointers.iter().find(is_written).or(pointers.first()) {
            self.document.report(pointer, reason, remedy);
        }
    }

    /// Requires durations or sizes other than zero.
    pub(super) fn require_nonzero(&mut self, settings: &[(&str, bool)]) {
        for (setting, is_zero) in settings {
            self.require(!is_zero, setting, "is zero", "write a value above zero");
        }
    }

    /// Whether the setting, or one within it or around it, has an error.
    pub(super) fn is_invalid(&self, setting: &str) -> bool {
        self.document.is_invalid(&self.resolve(setting))
    }

    /// Whether something of the setting may be on a line that could not be parsed.
    pub(super) fn may_be_on_broken_line(&self, setting: &str) -> bool {
        self.document.may_be_on_broken_line(&self.resolve(setting))
    }

    /// The current section, such as `callers[1] ("wallboard")`.
    pub(super) fn path(&self) -> String {
        self.document.label(&self.pointer)
    }

    /// Adds a warning about the current section: settings that are allowed but probably not meant.
    pub fn warn(&mut self, text: &str) {
        let path = self.path();
        self.warnings.push(if path.is_empty() { text.to_owned() } else { format!("{path}: {text}") });
    }

    fn resolve(&self, setting: &str) -> String {
        let names = setting.split('.').filter(|name| !name.is_empty());
        names.fold(self.pointer.clone(), |pointer, name| child(&pointer, name))
    }
}
