//! What a request holds while it waits for a vendor that does not answer, against an allocator that counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, unreachable_pub)]
// The harness serves the other tests too.
#![allow(dead_code)]

#[path = "it/harness/mod.rs"]
mod harness;

use std::alloc::System;

use harness::{Act, FaultProxy, Setup, in_time};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::{io::AsyncWriteExt, net::TcpStream};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Each waits on a connection of its own to the vendor, which is counted too, as is the connection that it came by.
const REQUESTS: usize = 100;
const BODY_BYTES: usize = 60 * 1024;

fn survey_query(key: &str, company: usize) -> String {
    let filter = r#"{"dimension":"queueId","value":"01756d00-0000-0000"},"#;
    let filters = filter.repeat((BODY_BYTES - 100) / filter.len());
    let body = format!(r#"{{"companyId":{},"filters":[{}]}}"#, 100_000 + company, filters.trim_end_matches(','));
    let body = format!("{body:BODY_BYTES$}");
    let head =
        format!("host: g\r\nauthorization: {key}\r\ncontent-type: application/json\r\ncontent-length: {BODY_BYTES}");
    format!("POST /api/v1/survey/queries/surveys HTTP/1.1\r\n{head}\r\n\r\n{body}")
}

#[tokio::test]
async fn request_in_flight_holds_twice_its_body_and_16_kib() {
    let mut setup = Setup::default();
    setup.config.upstream.max_connections = (REQUESTS + 1).try_into().unwrap();
    setup.proxy = Some(FaultProxy::new().await);
    let world = setup.start().await;
    world.logged_in().await;
    let proxy = world.proxy.as_ref().unwrap();
    proxy.always("surveys", Act::Silence);
    let mut streams = Vec::with_capacity(REQUESTS + 1);
    let mut region = Region::new(ALLOCATOR);
    for number in 0..=REQUESTS {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(survey_query(world.key(), number).as_bytes()).await.unwrap();
        streams.push(stream);
        in_time(proxy.arrived("surveys", number as u64 + 1)).await;
        if number == 0 {
            // What is allocated once for all requests is not counted.
            region = Region::new(ALLOCATOR);
        }
    }
    let stats = region.change();
    let per_request = (stats.bytes_allocated - stats.bytes_deallocated) / REQUESTS;
    assert!(per_request <= 2 * BODY_BYTES + 16 * 1024, "{per_request} bytes");
}
