//! What the cache of prepared queries says that it holds, against an allocator that counts.
#![allow(clippy::unwrap_used)]

use std::{alloc::System, sync::Arc};

use futures_util::future::BoxFuture;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use wesal_gateway::{
    clock::ManualClock,
    config::{Config, Size},
    fetch::{Parts, PreparedQuery},
    model::{CallerName, CompanyId, Figures, Forwarded, Json, Query, QueueId, QueuesQuery, Shape, Subject},
    telemetry::{Metrics, Traces},
    upstream::{Budget, Called, TargetState, Vendor, VendorCall},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Nothing asks it.
struct NoVendor;

impl Vendor for NoVendor {
    fn call<'a>(&'a self, _: VendorCall<'a>) -> BoxFuture<'a, Called> {
        Box::pin(std::future::pending())
    }

    fn queue_target(&self, _: &Shape, _: &QueueId) -> TargetState {
        TargetState::Allowed
    }

    fn has_share(&self, _: &CallerName) -> bool {
        true
    }

    fn budget(&self) -> Budget {
        Budget { remaining: 1, burst: 1 }
    }
}

/// A query with this many queues, and with this many bytes in a field that `upstream.forward_fields` names.
fn query(number: usize, queues: usize, forwarded: usize) -> Query {
    let ids = (0..queues).map(|queue| QueueId::try_from(format!("{number:08}-{queue:027}")).unwrap());
    let queues = QueuesQuery { figures: Figures::Summary, queues: ids.collect(), extended: None };
    let fields = (0..forwarded / 10).map(|_| Json::parse(br#""12345678""#).unwrap()).collect();
    let fields = [("zone".to_owned(), Json::Array(fields))].into();
    Query { subject: Subject::Queues(queues), forwarded: Forwarded { fields, ..Forwarded::default() } }
}

fn parts() -> Parts {
    let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
    let mut config = Config::default();
    config.cache.capacity = Size::from_mib(256);
    Parts::new(&config, Arc::new(NoVendor), clock, Arc::new(Metrics::new()), Traces::default())
}

/// One test, since the allocator counts for the whole process.
#[test]
fn query_weights_cover_the_memory_in_use() {
    const QUERIES: usize = 2_000;
    for (queues, forwarded, body) in [(1, 0, 100), (1, 4_000, 4_100), (100, 0, 4_000), (500, 60, 20_000)] {
        let parts = parts();
        let region = Region::new(ALLOCATOR);
        for number in 0..QUERIES {
            let key = vec![b'x'; body].into_iter().chain(number.to_be_bytes()).collect::<Vec<_>>();
            drop(parts.prepare(&key, || Ok::<_, ()>(query(number, queues, forwarded))));
            if number % 100 == 0 {
                parts.tidy();
            }
        }
        parts.tidy();
        let stats = region.change();
        let in_use = stats.bytes_allocated - stats.bytes_deallocated;
        let weight = usize::try_from(parts.held().bytes).unwrap();
        let per_query = (weight / QUERIES, in_use / QUERIES);
        assert!(weight >= in_use, "{queues} queues, {forwarded} forwarded: too light, {per_query:?}");
        assert!(weight <= in_use * 2, "{queues} queues, {forwarded} forwarded: too heavy, {per_query:?}");
    }
    // What a request holds of a survey query while it waits for the vendor.
    let filters =
        (0..1_000).map(|_| Json::parse(br#"{"dimension": "queueId", "value": {"from": 1}}"#).unwrap()).collect();
    let subject = Subject::Surveys(wesal_gateway::model::SurveysQuery {
        company: CompanyId::try_from(1).unwrap(),
        filters: Some(filters),
        extended: None,
        offset: None,
        limit: None,
    });
    let region = Region::new(ALLOCATOR);
    let prepared = PreparedQuery::once(&Query { subject, forwarded: Forwarded::default() });
    let stats = region.change();
    let in_use = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
    let text = prepared.shape().body(&[]).unwrap().len();
    assert!(in_use <= text + 1_024, "{in_use} bytes for {text}");
}
