//! What was written, and where: the settings of file and environment as one tree, before they have types.

use std::collections::BTreeSet;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::lines::Lines;
use crate::model::CallerName;

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The file, at this line, counted from 1.
    Line(usize),
    /// The environment variable of this name.
    Variable(String),
    /// Nowhere: the setting is left out, and its default holds.
    Nowhere,
}

/// One step from a table or a list down to what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

impl Step {
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Index(_) => None,
        }
    }
}

/// How far a value can be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Sound,
    /// It has a fault that is reported: readers pass over it.
    Damaged,
    /// Made up in place of what is missing, so that reading can go on and find the next fault.
    StandIn,
}

/// A value with its place. It may be a secret: so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
    pub(super) state: State,
}

#[derive(Clone)]
pub(super) enum Value {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin, state: State::Sound }
    }

    /// The tree of a parsed file; `lines` are those of what the spans point into.
    pub(super) fn from_file(lines: &Lines, table: &DeTable<'_>) -> Self {
        Self::new(Self::table(table, &|offset| Origin::Line(lines.at(offset))), Origin::Nowhere)
    }

    /// The tree of a value that stands in an environment variable.
    pub(super) fn from_variable(value: &DeValue<'_>, variable: &str) -> Self {
        let origin = Origin::Variable(variable.to_owned());
        Self::new(Self::value(value, &|_| origin.clone()), origin.clone())
    }

    fn table(table: &DeTable<'_>, place: &dyn Fn(usize) -> Origin) -> Value {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(name, value)| {
                let node = Self::new(Self::value(value.get_ref(), place), place(name.span().start));
                (name.get_ref().clone().into_owned(), node)
            })
            .collect();
        entries.sort_by(|(_, a), (_, b)| a.origin.cmp(&b.origin));
        Value::Table(entries)
    }

    fn value(value: &DeValue<'_>, place: &dyn Fn(usize) -> Origin) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => {
                Value::Integer(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX))
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(datetime) => Value::Text(datetime.to_string()),
            DeValue::Array(items) => {
                let item = |item: &Spanned<DeValue<'_>>| {
                    Self::new(Self::value(item.get_ref(), place), place(item.span().start))
                };
                Value::List(items.iter().map(item).collect())
            }
            DeValue::Table(table) => Self::table(table, place),
        }
    }

    /// What stands one step below.
    pub(super) fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Table(entries), Step::Name(name)) => entries.iter().find(|(n, _)| n == name).map(|(_, node)| node),
            (Value::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// What stands at the end of the steps, if it is written.
    pub(super) fn at(&self, steps: &[Step]) -> Option<&Self> {
        steps.iter().try_fold(self, |node, step| node.child(step))
    }

    /// As [`Node::at`], to be changed.
    pub(super) fn at_mut(&mut self, steps: &[Step]) -> Option<&mut Self> {
        steps.iter().try_fold(self, |node, step| match (&mut node.value, step) {
            (Value::Table(entries), Step::Name(name)) => {
                entries.iter_mut().find(|(n, _)| n == name).map(|(_, node)| node)
            }
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        })
    }

    /// Lays a value over what stands at the end of the names, making the tables on the way.
    pub(super) fn set(&mut self, names: &[String], value: Self) {
        let Some((first, rest)) = names.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self.value, Value::Table(_)) {
            *self = Self::new(Value::Table(Vec::new()), value.origin.clone());
        }
        let Value::Table(entries) = &mut self.value else { return };
        if let Some((_, child)) = entries.iter_mut().find(|(name, _)| name == first) {
            return child.set(rest, value);
        }
        let mut child = Self::new(Value::Table(Vec::new()), value.origin.clone());
        child.set(rest, value);
        entries.push((first.clone(), child));
    }

    /// Takes an entry out of a table.
    pub(super) fn remove(&mut self, name: &str) {
        if let Value::Table(entries) = &mut self.value {
            entries.retain(|(n, _)| n != name);
        }
    }

    /// Marks what stands on these lines.
    pub(super) fn damage_lines(&mut self, lines: &BTreeSet<usize>) {
        match (&mut self.value, &self.origin) {
            (Value::Table(entries), _) => entries.iter_mut().for_each(|(_, node)| node.damage_lines(lines)),
            (_, Origin::Line(line)) if lines.contains(line) => self.state = State::Damaged,
            (Value::List(items), _) => items.iter_mut().for_each(|item| item.damage_lines(lines)),
            _ => {}
        }
    }

    /// Whether a fault in this value or in anything below it is already reported.
    pub(super) fn is_damaged(&self) -> bool {
        self.state != State::Sound
            || match &self.value {
                Value::Table(entries) => entries.iter().any(|(_, node)| node.is_damaged()),
                Value::List(items) => items.iter().any(Self::is_damaged),
                _ => false,
            }
    }

    /// The text, if it is one and sound.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) if self.state == State::Sound => Some(text),
            _ => None,
        }
    }

    /// Where the steps lead, else where the nearest table above them is.
    pub(super) fn origin_of(&self, steps: &[Step]) -> Origin {
        let mut node = self;
        for step in steps {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        node.origin.clone()
    }

    /// The steps as an operator reads them: `callers[1] ("wallboard").scopes`. What is no name is not told: whoever wrote it
    /// there may have meant a secret.
    pub(super) fn label(&self, steps: &[Step]) -> String {
        let mut label = String::new();
        let mut node = Some(self);
        for step in steps {
            node = node.and_then(|n| n.child(step));
            match step {
                Step::Name(name) if label.is_empty() => label.push_str(name),
                Step::Name(name) => label.extend([".", name.as_str()]),
                Step::Index(index) => label.push_str(&format!("[{index}]")),
            }
            let own_name = node.and_then(|n| n.child(&Step::Name("name".to_owned()))).and_then(Self::text);
            let own_name = own_name.and_then(|text| CallerName::try_from(text.to_owned()).ok());
            if let (Step::Index(_), Some(own_name)) = (step, own_name) {
                label.push_str(&format!(" ({:?})", own_name.as_str()));
            }
        }
        label
    }
}

/// The steps of a dotted name such as `login.refresh_ahead`.
pub(super) fn steps(dotted: &str) -> impl Iterator<Item = Step> + '_ {
    dotted.split('.').filter(|name| !name.is_empty()).map(|name| Step::Name(name.to_owned()))
}
