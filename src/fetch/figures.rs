//! The queues' own figures as the parts that are held tell them, for those who watch the gateway. Nothing is fetched for
//! this, and it is nobody's interest.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{Parts, part::Part};
use crate::{
    cache::Freshness,
    model::{Figures, Forwarded, PartId, Query, QueueId, QueuesQuery, Shape, Subject},
};

/// Which figures of which queues are told (`telemetry.queue_gauges`).
pub struct Watched {
    shape: Shape,
    queues: Vec<QueueId>,
    fields: Vec<String>,
}

/// What is held of one queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueFigures {
    /// Which.
    pub queue: QueueId,
    /// How long ago the call began that brought it.
    pub age: Duration,
    /// The fields that are numbers.
    pub figures: Vec<(String, f64)>,
}

impl Watched {
    /// `fields` of the summary's rows for `queues`.
    pub fn new(queues: Vec<QueueId>, fields: Vec<String>) -> Self {
        let query = QueuesQuery { figures: Figures::Summary, queues: Arc::new([]), extended: None };
        let shape = Query { subject: Subject::Queues(query), forwarded: Forwarded::default() }.shape();
        Self { shape, queues, fields }
    }
}

impl Parts {
    /// The figures of those queues whose row may still be served.
    pub fn figures(&self, watched: &Watched) -> Vec<QueueFigures> {
        let now = self.fetcher.clock.now();
        let of = |queue: &QueueId| {
            let key = watched.shape.part(PartId::Queue(queue.clone()));
            let kept = self.fetcher.store.get(&key)?;
            let Part::Row { body, succeeded: true, .. } = &kept.content else { return None };
            if self.fetcher.judge(&key, &kept) == Freshness::Gone {
                return None;
            }
            let row: Map<String, Value> = serde_json::from_slice(body.as_ref()).ok()?;
            let figure = |field: &String| Some((field.clone(), row.get(field)?.as_f64()?));
            let figures = watched.fields.iter().filter_map(figure).collect();
            Some(QueueFigures { queue: queue.clone(), age: now.since(kept.began), figures })
        };
        watched.queues.iter().filter_map(of).collect()
    }
}
