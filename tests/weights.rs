//! What the cache of prepared queries says that it holds, against an allocator that counts.
#![allow(clippy::unwrap_used)]

use std::{
    alloc::System,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::BoxFuture;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use wesal_gateway::{
    cache::{Entry, Kept, Memo, Store, Stretch, Weigh},
    clock::{ManualClock, Moment},
    config::{Config, Size},
    fetch::{Parts, PreparedQuery},
    model::{CompanyId, Figures, Forwarded, Json, PartId, Query, QueueId, QueuesQuery, Shape, Subject, SurveysQuery},
    telemetry::{Metrics, Traces},
    upstream::{Budget, Called, TargetState, Vendor, VendorCall},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Held by each test, since the allocator counts for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Content of this many bytes.
struct Content(Vec<u8>);

impl Weigh for Content {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

/// Bytes that were allocated since the beginning of `region` and are not freed.
fn in_use(region: &Region<'_, System>) -> usize {
    let stats = region.change();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// Nothing asks it.
struct NoVendor;

impl Vendor for NoVendor {
    fn call<'a>(&'a self, _: VendorCall<'a>) -> BoxFuture<'a, Called> {
        Box::pin(std::future::pending())
    }

    fn queue_target(&self, _: &Shape, _: &QueueId) -> TargetState {
        TargetState::Allowed
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

#[test]
fn query_weights_cover_the_memory_in_use() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
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
        let in_use = in_use(&region);
        let weight = usize::try_from(parts.held().bytes).unwrap();
        let per_query = (weight / QUERIES, in_use / QUERIES);
        assert!(weight >= in_use, "{queues} queues, {forwarded} forwarded: too light, {per_query:?}");
        assert!(weight <= in_use * 2, "{queues} queues, {forwarded} forwarded: too heavy, {per_query:?}");
    }
    // What a request holds of a survey query while it waits for the vendor.
    let filters =
        (0..1_000).map(|_| Json::parse(br#"{"dimension": "queueId", "value": {"from": 1}}"#).unwrap()).collect();
    let subject = Subject::Surveys(SurveysQuery {
        company: CompanyId::try_from(1).unwrap(),
        filters: Some(filters),
        extended: None,
        offset: None,
        limit: None,
    });
    let region = Region::new(ALLOCATOR);
    let prepared = PreparedQuery::once(&Query { subject, forwarded: Forwarded::default() });
    let in_use = in_use(&region);
    let text = prepared.shape().body(&[]).unwrap().len();
    assert!(in_use <= text + 1_024, "{in_use} bytes for {text}");
}

const CAPACITY: u64 = 4 << 20;
const FLOOD: u64 = 800;
/// Bytes of each key of the flood.
const KEY_BYTES: usize = 60 * 1024;

/// Requires that a cache of [`CAPACITY`] holds hardly more than that.
fn assert_near_capacity(in_use: usize, held: u64) {
    let capacity = usize::try_from(CAPACITY).unwrap();
    assert!((capacity / 2..=capacity + capacity / 8).contains(&in_use), "{in_use} bytes in use");
    assert!(held <= CAPACITY, "{held} bytes according to the cache");
}

#[test]
fn evicted_and_removed_parts_free_their_keys() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = |company| {
        let company = CompanyId::try_from(company).unwrap();
        let filters = Some(vec![Json::parse(format!("\"{}\"", "x".repeat(KEY_BYTES)).as_bytes()).unwrap()]);
        let surveys = SurveysQuery { company, filters, extended: None, offset: None, limit: None };
        let query = Query { subject: Subject::Surveys(surveys), forwarded: Forwarded::default() };
        query.shape().part(PartId::Document)
    };
    let region = Region::new(ALLOCATOR);
    let store = Store::new(CAPACITY);
    for company in 1..=FLOOD {
        let entry = Entry::new(Content(vec![0; 100]), Moment::default(), None, Arc::default(), Stretch::NONE);
        store.put(&key(company), Arc::new(entry));
        if company % 10 == 0 {
            store.tidy();
        }
    }
    store.tidy();
    assert_near_capacity(in_use(&region), store.size().0);
    store.sweep(|_, _| false);
    store.tidy();
    assert!(in_use(&region) < 512 << 10, "{} bytes in use after the sweep", in_use(&region));
}

#[test]
fn evicted_and_swept_results_free_their_keys() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let region = Region::new(ALLOCATOR);
    let memo = Memo::<Arc<[u8]>, Content>::new(CAPACITY);
    for number in 1..=FLOOD {
        let key = [&number.to_be_bytes()[..], &[b'x'; KEY_BYTES]].concat();
        memo.put(key.into(), Arc::new(Content(vec![0; 100])));
        if number % 10 == 0 {
            memo.tidy();
        }
    }
    memo.tidy();
    assert_near_capacity(in_use(&region), memo.bytes());
    memo.sweep(|_| Kept::No);
    memo.tidy();
    assert!(in_use(&region) < 512 << 10, "{} bytes in use after the sweep", in_use(&region));
}
