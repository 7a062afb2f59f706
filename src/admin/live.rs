//! The status as it goes on, for whoever watches: one producer for all viewers, which works only while there are any.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    task::spawn_blocking,
};

use super::Operator;
use crate::clock::SharedClock;

/// How often a viewer hears.
const EACH: Duration = Duration::from_secs(1);
/// How long a viewer hears nothing at most, however long it takes to find out how all stands: a page that hears nothing
/// for longer takes the gateway to be gone (`SILENCE` in stream.js).
const QUIET: Duration = Duration::from_secs(2);
/// A comment, which says nothing.
const NOTHING: Bytes = Bytes::from_static(b":\n\n");
/// Viewers at once. Each costs a connection; what it does not read waits in the system's buffers, and once they are full the
/// connection is closed after `server.idle_timeout`.
const MOST_VIEWERS: usize = 16;

/// What viewers are told.
pub struct Live {
    latest: watch::Sender<Option<Bytes>>,
    room: Arc<Semaphore>,
    somebody_came: Notify,
    closed: watch::Sender<bool>,
    clock: SharedClock,
}

/// What one viewer is told, until it leaves.
struct Viewer {
    latest: watch::Receiver<Option<Bytes>>,
    closed: watch::Receiver<bool>,
    clock: SharedClock,
    _place: OwnedSemaphorePermit,
}

impl Live {
    /// Nobody watches yet.
    pub fn new(clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            latest: watch::Sender::new(None),
            room: Arc::new(Semaphore::new(MOST_VIEWERS)),
            somebody_came: Notify::new(),
            closed: watch::Sender::new(false),
            clock,
        })
    }

    /// Tells all viewers how all stands. For ever: to be run as one task.
    pub async fn produce(self: Arc<Self>, operator: Arc<dyn Operator>) {
        loop {
            while self.latest.receiver_count() == 0 {
                // Who comes next is not told what was.
                self.latest.send_replace(None);
                self.somebody_came.notified().await;
            }
            let began = self.clock.now();
            let asked = Arc::clone(&operator);
            if let Ok(event) = spawn_blocking(move || event(asked.as_ref())).await {
                self.latest.send_replace(Some(event));
            }
            // Where there is much to look at, to look must not become what the process does.
            let pause = EACH.max(self.clock.now().since(began).saturating_mul(4));
            self.clock.sleep(pause).await;
        }
    }

    /// All viewers are told no more, and nobody else is let in. To be called before their connections are to end.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// The answer to one more viewer, if there is room: server-sent events
    /// (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), each with what `/admin/status` gives.
    pub(super) fn view(&self) -> Option<Response> {
        let place = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let mut latest = self.latest.subscribe();
        // What the others see is seen at once.
        latest.mark_changed();
        self.somebody_came.notify_one();
        let viewer = Viewer { latest, closed: self.closed.subscribe(), clock: Arc::clone(&self.clock), _place: place };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            // Proxies would gather what should come as it is.
            (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ];
        Some((headers, Body::from_stream(unfold(viewer, Viewer::next))).into_response())
    }
}

impl Viewer {
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        let mut quiet = self.clock.sleep(QUIET);
        loop {
            let is_quiet = tokio::select! {
                biased;
                // Nothing more is to come.
                _ = self.closed.wait_for(|closed| *closed) => return None,
                changed = self.latest.changed() => {
                    changed.ok()?;
                    false
                }
                () = &mut quiet => true,
            };
            if is_quiet {
                return Some((Ok(NOTHING), self));
            }
            let latest = self.latest.borrow_and_update().clone();
            if let Some(event) = latest {
                return Some((Ok(event), self));
            }
        }
    }
}

fn event(operator: &dyn Operator) -> Bytes {
    // JSON holds no line break of its own.
    format!("data: {}\n\n", operator.status()).into()
}

#[cfg(test)]
mod tests {
    use std::{
        net::IpAddr,
        sync::atomic::{AtomicU64, Ordering},
    };

    use futures_util::future::BoxFuture;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        callers::Caller,
        clock::ManualClock,
        fetch::{Purge, Readiness},
        model::Route,
    };

    /// Counts how often it is asked how all stands.
    #[derive(Default)]
    struct Counting(AtomicU64);

    impl Operator for Counting {
        fn status(&self) -> Value {
            json!({ "asked": self.0.fetch_add(1, Ordering::SeqCst) + 1 })
        }
        fn readiness(&self) -> Readiness {
            unreachable!()
        }
        fn metrics(&self) -> String {
            unreachable!()
        }
        fn callers(&self) -> Vec<Arc<Caller>> {
            unreachable!()
        }
        fn cacheable_route(&self, _: &str) -> Option<Route> {
            unreachable!()
        }
        fn purge(&self, _: &Purge) -> u64 {
            unreachable!()
        }
        fn explain(&self, _: &[u8]) -> Response {
            unreachable!()
        }
        fn wrong_token(&self, _: IpAddr) -> Result<(), Duration> {
            unreachable!()
        }
        fn note_internal_error(&self) {
            unreachable!()
        }
        fn reload(&self) -> BoxFuture<'static, Result<Vec<String>, crate::admin::NotReloaded>> {
            unreachable!()
        }
    }

    async fn next(body: &mut Body) -> String {
        let frame = body.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn it_works_once_a_second_for_all_viewers_and_not_while_there_are_none() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let (live, operator) = (Live::new(Arc::new(clock.clone())), Arc::new(Counting::default()));
        let producing = tokio::spawn(Arc::clone(&live).produce(operator.clone()));
        let mut viewers = [(); 3].map(|()| live.view().unwrap().into_body());
        for asked in 1..=3 {
            for viewer in &mut viewers {
                assert_eq!(next(viewer).await, format!("data: {{\"asked\":{asked}}}\n\n"));
            }
            clock.sleepers(1).await;
            if asked < 3 {
                clock.advance(EACH);
            }
        }
        drop(viewers);
        clock.advance(EACH);
        // It has seen that they are gone when it sleeps no more.
        while live.latest.borrow().is_some() {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            clock.advance(EACH);
            tokio::task::yield_now().await;
        }
        assert_eq!(operator.0.load(Ordering::SeqCst), 3);
        // Who comes later is told what is, and not what was.
        let mut viewer = live.view().unwrap().into_body();
        assert_eq!(next(&mut viewer).await, "data: {\"asked\":4}\n\n");
        live.close();
        assert!(viewer.frame().await.is_none() && live.view().unwrap().into_body().frame().await.is_none());
        producing.abort();
    }

    #[tokio::test]
    async fn who_watches_hears_a_comment_while_it_takes_long_to_find_out_how_all_stands() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let live = Live::new(Arc::new(clock.clone()));
        // Nobody produces anything.
        let mut viewer = live.view().unwrap().into_body();
        for _ in 0..3 {
            let ((), heard) = tokio::join!(
                async {
                    clock.sleepers(1).await;
                    clock.advance(QUIET);
                },
                next(&mut viewer)
            );
            assert_eq!(heard, ":\n\n");
        }
    }

    #[test]
    fn the_page_waits_for_at_least_two_comments_before_it_takes_the_gateway_to_be_gone() {
        let page = include_str!("dashboard/stream.js");
        let silence = page.split_once("const SILENCE = ").unwrap().1.split_once(';').unwrap().0;
        let silence = Duration::from_millis(silence.parse().unwrap());
        assert!(silence > QUIET * 2 && silence > EACH * 2, "{silence:?}");
    }
}
