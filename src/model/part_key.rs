use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{Arc, LazyLock},
};

use bytes::Bytes;

use super::{CompanyId, QueueId, Route, json::write_string};

/// Everything that shapes a vendor answer except the queues' ids: the route, the path with its query, and every body
/// field, in one canonical text.
#[derive(Clone)]
pub struct Shape(Arc<Hashed>);

/// A shape is looked up once for each id of a request, and can be as long as a request body: it is hashed when it is made.
struct Hashed {
    hash: u64,
    canonical: Canonical,
}

/// Keyed, since callers write what is hashed.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

#[derive(PartialEq, Eq, Hash)]
struct Canonical {
    /// For who purges by it. It stands in `target` or in `fields` too.
    company: Option<CompanyId>,
    route: Route,
    target: Box<str>,
    /// The vendor request's body without `queues`, shared with the requests that carry it; `None` for a GET.
    body: Option<Bytes>,
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

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.hash == other.0.hash && self.0.canonical == other.0.canonical
    }
}

impl Eq for Shape {}

impl Hash for Shape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl Shape {
    /// `target` is the path under the vendor's base URL, percent-encoded, with its query. `fields` are the body's
    /// members without braces and without `queues`; `None` if the request has no body.
    pub(super) fn new(route: Route, company: Option<CompanyId>, target: String, fields: Option<String>) -> Self {
        let body = fields.map(|fields| {
            let mut body = String::with_capacity(fields.len() + 2);
            body.push('{');
            body.push_str(&fields);
            body.push('}');
            body.into()
        });
        let canonical = Canonical { company, route, target: target.into(), body };
        Self(Arc::new(Hashed { hash: HASHER.hash_one(&canonical), canonical }))
    }

    /// The route it belongs to.
    pub fn route(&self) -> Route {
        self.0.canonical.route
    }

    /// The one company it is about, if it names one.
    pub fn company(&self) -> Option<CompanyId> {
        self.0.canonical.company
    }

    /// The path under the vendor's base URL, with its query.
    pub fn target(&self) -> &str {
        &self.0.canonical.target
    }

    /// The vendor request's JSON body, for these queues; `None` for a GET.
    pub fn body(&self, queues: &[QueueId]) -> Option<Bytes> {
        let without_queues = self.0.canonical.body.as_ref()?;
        if queues.is_empty() {
            return Some(without_queues.clone());
        }
        let mut body = String::with_capacity(32 + without_queues.len() + queues.len() * 40);
        body.push_str("{\"queues\":[");
        for (i, queue) in queues.iter().enumerate() {
            if i > 0 {
                body.push(',');
            }
            write_string(queue.as_str(), &mut body);
        }
        body.push(']');
        let fields = without_queues.get(1..).unwrap_or_default();
        if fields.len() > 1 {
            body.push(',');
        }
        let mut body = body.into_bytes();
        body.extend_from_slice(fields);
        Some(body.into())
    }

    /// The key of one of its parts.
    pub fn part(&self, part: PartId) -> PartKey {
        PartKey { shape: self.clone(), part }
    }

    /// Bytes that it takes in memory, its share of allocations included.
    pub fn weight(&self) -> usize {
        self.0.canonical.target.len() + self.0.canonical.body.as_ref().map_or(0, Bytes::len) + 4 * ALLOCATION
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
