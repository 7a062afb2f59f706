use std::{fmt, sync::Arc};

use super::{CompanyId, QueueId, Route, json::write_string};

/// Everything that shapes a vendor answer except the queues' ids: the route, the path with its query, and every body
/// field, in one canonical text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Arc<Canonical>);

#[derive(PartialEq, Eq, Hash)]
struct Canonical {
    /// For who purges by it. It stands in `target` or in `fields` too.
    company: Option<CompanyId>,
    route: Route,
    target: Box<str>,
    fields: Option<Box<str>>,
}

/// Which part of what a shape can answer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum PartId {
    /// All of it: the shape names no queues.
    Document,
    /// One queue's row.
    Queue(QueueId),
    /// The answer for exactly these queues in this order, where rows cannot be told apart.
    Set(Arc<[QueueId]>),
}

/// What a part is kept under. The vendor request is built from shape and ids **alone**, so nothing that is not in the
/// key can change an answer that others will get.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartKey {
    /// The query but for its queues.
    pub shape: Shape,
    /// Which part of it.
    pub part: PartId,
}

impl Shape {
    /// `target` is the path under the vendor's base URL, percent-encoded, with its query. `fields` are the body's
    /// members without braces and without `queues`; `None` if the request has no body.
    pub(super) fn new(route: Route, company: Option<CompanyId>, target: String, fields: Option<String>) -> Self {
        Self(Arc::new(Canonical { company, route, target: target.into(), fields: fields.map(Into::into) }))
    }

    /// The route it belongs to.
    pub fn route(&self) -> Route {
        self.0.route
    }

    /// The one company it is about, if it names one.
    pub fn company(&self) -> Option<CompanyId> {
        self.0.company
    }

    /// The path under the vendor's base URL, with its query.
    pub fn target(&self) -> &str {
        &self.0.target
    }

    /// The vendor request's JSON body, for these queues; `None` for a GET.
    pub fn body(&self, queues: &[QueueId]) -> Option<String> {
        let fields = self.0.fields.as_deref()?;
        let mut body = String::with_capacity(32 + fields.len() + queues.len() * 40);
        body.push('{');
        if !queues.is_empty() {
            body.push_str("\"queues\":[");
            for (i, queue) in queues.iter().enumerate() {
                if i > 0 {
                    body.push(',');
                }
                write_string(queue.as_str(), &mut body);
            }
            body.push(']');
            if !fields.is_empty() {
                body.push(',');
            }
        }
        body.push_str(fields);
        body.push('}');
        Some(body)
    }

    /// The key of one of its parts.
    pub fn part(&self, part: PartId) -> PartKey {
        PartKey { shape: self.clone(), part }
    }

    /// Bytes that it takes in memory, its share of allocations included.
    pub fn weight(&self) -> usize {
        self.0.target.len() + self.0.fields.as_deref().map_or(0, str::len) + 4 * ALLOCATION
    }
}

const ALLOCATION: usize = 48;

impl PartKey {
    /// Bytes that it takes in memory. A shape is counted whole for each of its parts: which of them share it is not
    /// known here.
    pub fn weight(&self) -> usize {
        self.shape.weight() + self.part.weight()
    }
}

impl PartId {
    /// Bytes that it takes in memory.
    pub fn weight(&self) -> usize {
        match self {
            Self::Document => 0,
            Self::Queue(queue) => queue.weight(),
            Self::Set(queues) => queues.iter().map(QueueId::weight).sum(),
        }
    }
}

/// The route only: filters can hold a phone number.
impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shape({})", self.route().template())
    }
}

/// The route and the kind only.
impl fmt::Debug for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.part {
            PartId::Document => "document",
            PartId::Queue(_) => "queue",
            PartId::Set(_) => "set",
        };
        write!(f, "PartKey({}, {kind})", self.shape.route().template())
    }
}
