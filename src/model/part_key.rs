use std::{fmt, sync::Arc};

use super::{QueueId, Route, json::write_string};

/// Everything that shapes a vendor answer except the queues' ids: the route, the path with its query, and
/// every body field, in one canonical text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Arc<Canonical>);

#[derive(PartialEq, Eq, Hash)]
struct Canonical {
    route: Route,
    target: Box<str>,
    fields: Option<Box<str>>,
}

/// What an answer is kept under. The vendor request is built from this **alone**, so nothing that is not in
/// the key can change an answer that others will get.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartKey {
    shape: Shape,
    queues: Arc<[QueueId]>,
}

impl Shape {
    /// `target` is the path under the vendor's base URL, percent-encoded, with its query. `fields` are the
    /// body's members without braces and without `queues`; `None` if the request has no body.
    pub(super) fn new(route: Route, target: String, fields: Option<String>) -> Self {
        Self(Arc::new(Canonical { route, target: target.into(), fields: fields.map(Into::into) }))
    }
}

impl PartKey {
    /// The key of a whole document: for a queue query, of exactly these queues in this order.
    pub(super) fn whole(shape: Shape, queues: Arc<[QueueId]>) -> Self {
        Self { shape, queues }
    }

    /// The route it belongs to.
    pub fn route(&self) -> Route {
        self.shape.0.route
    }

    /// The path under the vendor's base URL, with its query.
    pub fn target(&self) -> &str {
        &self.shape.0.target
    }

    /// The vendor request's JSON body; `None` for a GET.
    pub fn body(&self) -> Option<String> {
        let fields = self.shape.0.fields.as_deref()?;
        let mut body = String::with_capacity(32 + fields.len() + self.queues.len() * 40);
        body.push('{');
        if !self.queues.is_empty() {
            body.push_str("\"queues\":[");
            for (i, queue) in self.queues.iter().enumerate() {
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

    /// Bytes that the key takes in memory, its share of allocations included.
    pub fn weight(&self) -> usize {
        const ALLOCATION: usize = 48;
        let shape = &self.shape.0;
        let ids: usize = self.queues.iter().map(|id| id.as_str().len() + ALLOCATION).sum();
        shape.target.len() + shape.fields.as_deref().map_or(0, str::len) + ids + 4 * ALLOCATION
    }
}

/// The route only: filters can hold a phone number.
impl fmt::Debug for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartKey({}, {} queues)", self.route().template(), self.queues.len())
    }
}
