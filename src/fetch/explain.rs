//! What would become of a question, for operators: nothing is fetched, and nothing counts as interest.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Parts,
    ids::parts_of,
    own_calls::is_suspect,
    part::{Kept, Part},
};
use crate::{
    cache::Freshness,
    model::{Figures, PartId, PartKey, Query, Subject},
};

/// What would become of a question if it were asked now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    route: &'static str,
    /// What shapes the answer, but for the queues. Of what callers may fill freely, only how much there is.
    asks: Map<String, Value>,
    parts: Vec<PartExplained>,
    /// The vendor calls that would be made, each with the queues in it; what is asked for steadily may go along.
    calls: Vec<Vec<String>>,
    /// Whether the caller would wait for one.
    waits: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartExplained {
    part: String,
    /// `document`, `row`, `absent`, `refused`; nothing if it is not held.
    held: Option<&'static str>,
    /// In seconds, since its vendor call began.
    age: Option<f64>,
    /// In the words of `Cache-Status` and of the settings.
    freshness: &'static str,
    reason: String,
    /// Whether it was purged since it was fetched.
    purged: bool,
    /// Whether a vendor call that is under way will bring it.
    under_way: bool,
}

/// A row that is asked for steadily, and is kept fresh for that.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HotQueue {
    route: &'static str,
    queue: String,
    /// In seconds, since its vendor call began.
    age: f64,
    freshness: &'static str,
}

/// Rows of queues that are asked for steadily.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HotQueues {
    /// How many there are: a queue has one for each route and question.
    count: usize,
    /// How many of them are fresh, may be served stale, and so on, by the words for it.
    by_freshness: BTreeMap<&'static str, usize>,
    /// Those furthest from fresh, and among equals the oldest.
    worst: Vec<HotQueue>,
}

/// Hot rows that are shown.
const MOST_SHOWN: usize = 100;
/// Interest counts for this many `ttl`s (5.10).
const HOT_TTLS: u32 = 3;

impl Parts {
    /// What would become of `query` if it were asked now. Looks at all that is held: not for a thread that answers.
    pub fn explain(&self, query: &Query) -> Explained {
        let (fetcher, shape) = (&self.fetcher, query.shape());
        let ids = parts_of(query.queues(), fetcher.in_whole_mode(&shape, query.queues()));
        let held = self.held_of(ids.iter().map(|id| shape.part(id.clone())).collect());
        let coming = self.batcher.in_progress(&shape, &ids);
        let mut waits = false;
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        let mut parts = Vec::new();
        for id in ids {
            let key = shape.part(id.clone());
            let kept = held.get(&key);
            let judged = kept.map_or(Freshness::Gone, |kept| fetcher.judge(&key, kept));
            let (freshness, reason) = in_words(judged, kept.is_some());
            let fetched = !matches!(judged, Freshness::Fresh { .. });
            waits |= matches!(judged, Freshness::StaleIfError { .. } | Freshness::Gone);
            let under_way = coming.contains(&id);
            if fetched && !under_way {
                match &id {
                    // It would have the others' call rejected.
                    PartId::Queue(queue) if is_suspect(fetcher, &shape, queue) => alone.push(id.clone()),
                    _ => together.push(id.clone()),
                }
            }
            parts.push(PartExplained {
                part: name(&id),
                held: kept.map(|kept| what(&kept.content)),
                age: kept.map(|kept| fetcher.clock.now().since(kept.began).as_secs_f64()),
                freshness,
                reason,
                purged: kept.is_some_and(|kept| kept.purged().is_some()),
                under_way,
            });
        }
        let chunks = together.chunks(fetcher.max_queues_per_call).chain(alone.chunks(fetcher.max_queues_per_call));
        let calls = chunks.map(|chunk| chunk.iter().map(name).collect()).collect();
        Explained { route: query.route().template(), asks: asks(query), parts, calls, waits }
    }

    /// The queues that are asked for steadily. Only those that the vendor knows: another id is what a caller wrote, which
    /// may be anything, its own key included. Looks at all that is held: not for a thread that answers.
    pub fn hot_queues(&self) -> HotQueues {
        let (fetcher, now) = (&self.fetcher, self.fetcher.clock.now());
        let mut worst = Vec::new();
        fetcher.store.look(|key, kept| {
            let (PartId::Queue(queue), Part::Row { succeeded: true, .. }) = (&key.part, &kept.content) else { return };
            let ttl = fetcher.policy(&key.shape, kept).ttl;
            if kept.interest.is_steady(now, ttl.saturating_mul(HOT_TTLS)) {
                let judged = fetcher.judge(key, kept);
                let queue = HotQueue {
                    route: key.shape.route().template(),
                    queue: queue.as_str().to_owned(),
                    age: now.since(kept.began).as_secs_f64(),
                    freshness: in_words(judged, true).0,
                };
                worst.push((far_from_fresh(judged), queue));
            }
        });
        let count = worst.len();
        let mut by_freshness = BTreeMap::new();
        for (_, queue) in &worst {
            *by_freshness.entry(queue.freshness).or_default() += 1;
        }
        worst.sort_by(|(a_far, a), (b_far, b)| {
            b_far.cmp(a_far).then_with(|| b.age.total_cmp(&a.age)).then_with(|| a.queue.cmp(&b.queue))
        });
        worst.truncate(MOST_SHOWN);
        HotQueues { count, by_freshness, worst: worst.into_iter().map(|(_, queue)| queue).collect() }
    }

    /// By looking at all, as to get one by its key would be a use of it.
    fn held_of(&self, keys: HashSet<PartKey>) -> HashMap<PartKey, Kept> {
        let mut held = HashMap::new();
        self.fetcher.store.look(|key, kept| {
            if keys.contains(key) {
                held.insert(key.clone(), Kept::clone(kept));
            }
        });
        held
    }
}

/// How much worse than fresh: a row that may be six hours old and is five is well.
const fn far_from_fresh(judged: Freshness) -> u8 {
    match judged {
        Freshness::Fresh { .. } => 0,
        Freshness::StaleWhileRevalidate { .. } => 1,
        Freshness::StaleIfError { .. } => 2,
        Freshness::Gone => 3,
    }
}

fn in_words(judged: Freshness, held: bool) -> (&'static str, String) {
    let seconds = |length: std::time::Duration| format!("{:.3} s", length.as_secs_f64());
    match judged {
        Freshness::Fresh { left, stretched: false } => ("fresh", format!("it is fresh for {} more", seconds(left))),
        Freshness::Fresh { left, stretched: true } => {
            let why = "older than its ttl, which is stretched because the vendor's budget runs low";
            ("fresh", format!("it is fresh for {} more: {why}", seconds(left)))
        }
        Freshness::StaleWhileRevalidate { past } => (
            "stale_while_revalidate",
            format!("it ceased to be fresh {} ago; served while it is fetched", seconds(past)),
        ),
        Freshness::StaleIfError { past } => (
            "stale_if_error",
            format!("it ceased to be fresh {} ago; fetched first, served if that fails", seconds(past)),
        ),
        Freshness::Gone if held => ("gone", "it is too old to be served at all".to_owned()),
        Freshness::Gone => ("gone", "it is not held".to_owned()),
    }
}

fn what(part: &Part) -> &'static str {
    match part {
        Part::Document { .. } => "document",
        Part::Row { .. } => "row",
        Part::Absent { .. } => "absent",
        Part::Refused(_) => "refused",
    }
}

fn name(id: &PartId) -> String {
    match id {
        PartId::Document => "document".to_owned(),
        PartId::Queue(queue) => format!("queue {}", queue.as_str()),
        PartId::Set(queues) => format!("{} queues as a whole", queues.len()),
    }
}

/// A filter can hold a phone number: how many there are must do.
fn asks(query: &Query) -> Map<String, Value> {
    let mut asks = Map::new();
    let mut add = |name: &str, value: Value| {
        if !value.is_null() {
            asks.insert(name.to_owned(), value);
        }
    };
    add("companyId", query.company().map_or(Value::Null, |company| company.to_string().into()));
    match &query.subject {
        Subject::Organization | Subject::Questions(_) => {}
        Subject::Further(further) => add("members", json!(further.members.as_ref().map(BTreeMap::len))),
        Subject::Surveys(surveys) => {
            add("filters", json!(surveys.filters.as_ref().map(Vec::len)));
            add("extended", json!(surveys.extended));
            add("offset", json!(surveys.offset));
            add("limit", json!(surveys.limit));
        }
        Subject::Queues(queues) => {
            add("extended", json!(queues.extended));
            if let Figures::Performance { interval, partial } = queues.figures {
                add("interval", interval.to_string().into());
                add("partial", json!(partial));
            }
        }
    }
    let forwarded = query.forwarded.query.len() + query.forwarded.fields.len();
    add("forwarded", if forwarded == 0 { Value::Null } else { forwarded.into() });
    asks
}
