//! The settings as written: one JSON value of file and environment, with the origin of each setting. Settings are named by
//! JSON pointers (RFC 6901).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Map, Number, Value};
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};
use crate::model::CallerName;

/// What the file and the environment say. It holds secrets: no `Debug`.
pub(super) struct Document<'a> {
    file: &'a Path,
    /// The written values; an invalid one makes room for its default or a placeholder.
    pub(super) value: Value,
    origins: BTreeMap<String, Origin>,
    invalid: BTreeSet<String>,
    /// Lines that are not TOML. The parser guessed what they mean.
    broken_lines: BTreeSet<usize>,
    /// The top-level tables that such a line belongs to.
    broken_tables: BTreeSet<String>,
    /// Whether such a line may belong to any table: it is a header, or before the first one.
    is_any_table_broken: bool,
    pub(super) errors: Vec<ConfigError>,
}

impl<'a> Document<'a> {
    /// Parses the text of `file` as far as it is TOML, and reports what is not.
    pub(super) fn parse(text: &str, file: &'a Path) -> Self {
        let line_ends: Vec<usize> = text.match_indices('\n').map(|(offset, _)| offset).collect();
        let line = |offset| 1 + line_ends.partition_point(|end| *end < offset);
        let (table, syntax_errors) = DeTable::parse_recoverable(text);
        let mut document = Self {
            file,
            value: Value::Null,
            origins: BTreeMap::new(),
            invalid: BTreeSet::new(),
            broken_lines: BTreeSet::new(),
            broken_tables: BTreeSet::new(),
            is_any_table_broken: false,
            errors: Vec::new(),
        };
        for error in syntax_errors {
            let origin = error.span().map_or(Origin::Nowhere, |span| Origin::Line(line(span.start)));
            // The parser's message alone: the source line may hold a secret.
            let reason = format!("is not TOML: {}", error.message().replace('\n', ", "));
            let remedy = "correct the line: texts are quoted, and a setting is given once per table";
            document.errors.push(ConfigError::new(file, origin, "", &reason, remedy));
        }
        document.broken_lines = document.errors.iter().filter_map(ConfigError::line).collect();
        document.find_broken_tables(text);
        document.value = document.convert_table(table.get_ref(), "", &|offset| Origin::Line(line(offset)));
        document
    }

    /// Of a line that is TOML by itself, such as the second header of a table, it is known what it means: it is not broken. Of
    /// the settings below a broken header it is not known which table they belong to: they are.
    fn find_broken_tables(&mut self, text: &str) {
        let (mut table, mut is_header_broken) = (None, false);
        for (line, number) in text.lines().zip(1..) {
            if self.broken_lines.contains(&number) && DeTable::parse(line).is_ok() {
                self.broken_lines.remove(&number);
            }
            let is_broken = self.broken_lines.contains(&number);
            if let Some(header) = line.trim_start().strip_prefix('[') {
                is_header_broken = is_broken;
                let name = header.trim_start_matches('[').split(['.', ']']).next().unwrap_or_default();
                table = Some(name.trim_matches([' ', '\t', '"', '\'']).to_owned());
            }
            if is_header_broken {
                self.broken_lines.insert(number);
            }
            match &table {
                Some(name) if is_broken && !is_header_broken => drop(self.broken_tables.insert(name.clone())),
                _ => self.is_any_table_broken |= is_broken,
            }
        }
    }

    fn convert_table(&mut self, table: &DeTable<'_>, pointer: &str, origin: &dyn Fn(usize) -> Origin) -> Value {
        let entries = table.iter().map(|(name, value)| {
            let below = child(pointer, name.get_ref());
            self.origins.insert(below.clone(), origin(name.span().start));
            (name.get_ref().clone().into_owned(), self.convert(value.get_ref(), &below, origin))
        });
        Value::Object(entries.collect::<Map<_, _>>())
    }

    /// A number that has no JSON form, such as `nan`, becomes null, which TOML does not have.
    fn convert(&mut self, value: &DeValue<'_>, pointer: &str, origin: &dyn Fn(usize) -> Origin) -> Value {
        match value {
            DeValue::String(text) => text.as_ref().into(),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().into(),
            DeValue::Float(number) => number.as_str().parse().ok().and_then(Number::from_f64).into(),
            DeValue::Boolean(flag) => (*flag).into(),
            DeValue::Datetime(datetime) => datetime.to_string().into(),
            DeValue::Table(table) => self.convert_table(table, pointer, origin),
            DeValue::Array(items) => {
                let items = items.iter().enumerate().map(|(index, item)| {
                    let below = child(pointer, &index.to_string());
                    self.origins.insert(below.clone(), origin(item.span().start));
                    self.convert(item.get_ref(), &below, origin)
                });
                Value::Array(items.collect())
            }
        }
    }

    /// Sets what an environment variable says, making the tables above it.
    pub(super) fn set(&mut self, names: &[String], value: &DeValue<'_>, variable: &str) {
        let origin = Origin::Variable(variable.to_owned());
        let mut pointer = String::new();
        for name in names {
            if self.value.pointer(&pointer).is_some_and(|above| !above.is_object()) {
                let reason = format!("{} is set, and is not a table", self.label(&pointer));
                self.report_variable(variable, &reason, "set it as a whole by one variable, or unset this one");
                return;
            }
            let below = child(&pointer, name);
            let above = std::mem::replace(&mut pointer, below);
            self.origins.entry(pointer.clone()).or_insert_with(|| origin.clone());
            if let Some(Value::Object(members)) = self.value.pointer_mut(&above) {
                members.entry(name).or_insert_with(|| Value::Object(Map::new()));
            }
        }
        self.origins.retain(|other, _| !is_within(other, &pointer));
        self.origins.insert(pointer.clone(), origin.clone());
        let value = self.convert(value, &pointer, &|_| origin.clone());
        self.replace(&pointer, Some(value));
    }

    /// Removes a setting of the file; what the environment says stays.
    pub(super) fn remove_from_file(&mut self, pointer: &str) {
        if let Some(Origin::Line(_)) = self.origins.get(pointer) {
            self.origins.remove(pointer);
            self.replace(pointer, None);
        }
    }

    /// Puts `value` in the place of a setting, or takes the setting out of its table.
    pub(super) fn replace(&mut self, pointer: &str, value: Option<Value>) {
        match value {
            Some(value) => {
                if let Some(place) = self.value.pointer_mut(pointer) {
                    *place = value;
                } else if let Some((table, name)) = parent(pointer)
                    && let Some(Value::Object(members)) = self.value.pointer_mut(table)
                {
                    members.insert(unescape(name), value);
                }
            }
            None => {
                if let Some((table, name)) = parent(pointer)
                    && let Some(Value::Object(members)) = self.value.pointer_mut(table)
                {
                    members.remove(&unescape(name));
                }
            }
        }
    }

    /// Notes that the setting has an error, which is reported or lies on a broken line.
    pub(super) fn mark_invalid(&mut self, pointer: &str) {
        self.invalid.insert(pointer.to_owned());
    }

    /// Whether the setting itself is marked.
    pub(super) fn is_marked(&self, pointer: &str) -> bool {
        self.invalid.contains(pointer)
    }

    /// Whether the setting, or one within it or around it, is invalid: what was meant is not known.
    pub(super) fn is_invalid(&self, pointer: &str) -> bool {
        let mut around = Some(pointer);
        while let Some(place) = around {
            if self.invalid.contains(place) {
                return true;
            }
            around = parent(place).map(|(table, _)| table);
        }
        let first_within = self.invalid.range(format!("{pointer}/")..).next();
        first_within.is_some_and(|invalid| is_within(invalid, pointer))
    }

    /// Whether the file or the environment has the setting.
    pub(super) fn is_written(&self, pointer: &str) -> bool {
        self.origins.contains_key(pointer)
    }

    /// Whether a setting that is not written may be on a line that is not TOML.
    pub(super) fn may_be_on_broken_line(&self, pointer: &str) -> bool {
        let table = pointer.split('/').nth(1).unwrap_or_default();
        self.is_any_table_broken || self.broken_tables.contains(table)
    }

    /// Whether the setting is on a line that is not TOML.
    pub(super) fn is_broken(&self, pointer: &str) -> bool {
        matches!(self.origins.get(pointer), Some(Origin::Line(line)) if self.broken_lines.contains(line))
    }

    /// Reports an error of the setting, at the nearest place that is written. Nothing is reported of a broken line: the
    /// parser guessed its meaning.
    pub(super) fn report(&mut self, pointer: &str, reason: &str, remedy: &str) {
        let mut place = pointer;
        while !place.is_empty() && !self.is_written(place) {
            place = parent(place).map_or("", |(table, _)| table);
        }
        if !self.is_broken(place) {
            let origin = self.origins.get(place).cloned().unwrap_or(Origin::Nowhere);
            self.errors.push(ConfigError::new(self.file, origin, &self.label(pointer), reason, remedy));
        }
    }

    /// Reports an error of an environment variable as such.
    pub(super) fn report_variable(&mut self, variable: &str, reason: &str, remedy: &str) {
        self.errors.push(ConfigError::new(self.file, Origin::Variable(variable.to_owned()), "", reason, remedy));
    }

    /// The setting as operators write it, such as `callers[1] ("wallboard").scopes`. A name that is not valid is not
    /// shown: it may be a secret in the wrong place.
    pub(super) fn label(&self, pointer: &str) -> String {
        let mut label = String::new();
        let mut above = String::new();
        for name in pointer.split('/').skip(1) {
            let is_item = self.value.pointer(&above).is_some_and(Value::is_array);
            above = format!("{above}/{name}");
            if is_item {
                label.push_str(&format!("[{name}]"));
                let own_name = child(&above, "name");
                let own_name = self.value.pointer(&own_name).filter(|_| !self.is_marked(&own_name));
                let own_name = own_name.and_then(Value::as_str).map(|name| CallerName::try_from(name.to_owned()));
                if let Some(Ok(own_name)) = own_name {
                    label.push_str(&format!(" ({:?})", own_name.as_str()));
                }
            } else {
                label.push_str(if label.is_empty() { "" } else { "." });
                label.push_str(&unescape(name));
            }
        }
        label
    }
}

/// The pointer of a member or an item.
pub(super) fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The pointer of the table or list around a setting, and the setting's name in it, escaped.
pub(super) fn parent(pointer: &str) -> Option<(&str, &str)> {
    pointer.rsplit_once('/')
}

fn unescape(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

fn is_within(pointer: &str, table: &str) -> bool {
    pointer.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
