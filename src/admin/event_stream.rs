//! The status as server-sent events: one producer for all subscribers, which works only while there are any.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::{HeaderName, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::unfold;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    task::spawn_blocking,
};

use crate::clock::SharedClock;

const INTERVAL: Duration = Duration::from_secs(1);
/// The longest silence, however long the status takes: the dashboard takes a longer one for a lost connection (`SILENCE` in
/// stream.js).
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Each subscriber costs a connection. What it does not read waits in the system's buffers; once they are full, the
/// connection is closed after `server.idle_timeout`.
const MAX_SUBSCRIBERS: usize = 16;

/// Sends the status to all subscribers.
pub(super) struct StatusBroadcast {
    latest: watch::Sender<Option<Arc<str>>>,
    permits: Arc<Semaphore>,
    subscribed: Notify,
    closed: watch::Sender<bool>,
    clock: SharedClock,
}

struct Subscriber {
    latest: watch::Receiver<Option<Arc<str>>>,
    closed: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl StatusBroadcast {
    /// A broadcast without subscribers.
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            latest: watch::Sender::new(None),
            permits: Arc::new(Semaphore::new(MAX_SUBSCRIBERS)),
            subscribed: Notify::new(),
            closed: watch::Sender::new(false),
            clock,
        }
    }

    /// Sends what `status` returns, a JSON document in one line, each second. It never ends: to be run as one task.
    pub(super) async fn produce<F: Fn() -> String + Clone + Send + 'static>(&self, status: F) {
        loop {
            while self.latest.receiver_count() == 0 {
                // The next subscriber does not get an old status.
                self.latest.send_replace(None);
                self.subscribed.notified().await;
            }
            let began = self.clock.now();
            if let Ok(latest) = spawn_blocking(status.clone()).await {
                self.latest.send_replace(Some(latest.into()));
            }
            // A status that takes long must not become the process's main work.
            let pause = INTERVAL.max(self.clock.now().since(began).saturating_mul(4));
            self.clock.sleep(pause).await;
        }
    }

    /// Ends all streams, and refuses new ones. To be called before their connections are closed.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Returns the response to one more subscriber, or `None` if there are too many.
    pub(super) fn subscribe(&self) -> Option<Response> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let mut latest = self.latest.subscribe();
        // What the others have seen last is sent immediately.
        latest.mark_changed();
        self.subscribed.notify_one();
        let subscriber = Subscriber { latest, closed: self.closed.subscribe(), _permit: permit };
        let events = Sse::new(unfold(subscriber, Subscriber::next)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
        // Proxies would buffer the events.
        let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        Some(([unbuffered], events).into_response())
    }
}

impl Subscriber {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            tokio::select! {
                biased;
                _ = self.closed.wait_for(|closed| *closed) => return None,
                changed = self.latest.changed() => changed.ok()?,
            }
            let latest = self.latest.borrow_and_update().clone();
            if let Some(latest) = latest {
                return Some((Ok(Event::default().data(latest)), self));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use axum::body::Body;
    use http_body_util::BodyExt;

    use super::*;
    use crate::clock::ManualClock;

    async fn next(body: &mut Body) -> String {
        let frame = body.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn status_is_computed_once_a_second_for_all_subscribers() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let broadcast = Arc::new(StatusBroadcast::new(Arc::new(clock.clone())));
        let count = Arc::new(AtomicU64::new(0));
        let (producer, counted) = (Arc::clone(&broadcast), Arc::clone(&count));
        let status = move || (counted.fetch_add(1, Ordering::SeqCst) + 1).to_string();
        let producing = tokio::spawn(async move { producer.produce(status).await });
        let mut subscribers = [(); 3].map(|()| broadcast.subscribe().unwrap().into_body());
        for expected in 1..=3 {
            for subscriber in &mut subscribers {
                assert_eq!(next(subscriber).await, format!("data: {expected}\n\n"));
            }
            clock.sleepers(1).await;
            if expected < 3 {
                clock.advance(INTERVAL);
            }
        }
        drop(subscribers);
        clock.advance(INTERVAL);
        // The producer has seen that they are gone when it sleeps no more.
        while broadcast.latest.borrow().is_some() {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            clock.advance(INTERVAL);
            tokio::task::yield_now().await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 3);
        // A later subscriber gets a new status.
        let mut subscriber = broadcast.subscribe().unwrap().into_body();
        assert_eq!(next(&mut subscriber).await, "data: 4\n\n");
        broadcast.close();
        assert!(subscriber.frame().await.is_none());
        assert!(broadcast.subscribe().unwrap().into_body().frame().await.is_none());
        producing.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn silent_streams_get_a_comment() {
        let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        // Nothing produces anything.
        let broadcast = StatusBroadcast::new(Arc::new(clock));
        let mut subscriber = broadcast.subscribe().unwrap().into_body();
        for _ in 0..3 {
            let began = tokio::time::Instant::now();
            assert_eq!(next(&mut subscriber).await, ":\n\n");
            assert!(began.elapsed() <= KEEP_ALIVE + Duration::from_millis(5));
        }
    }

    #[test]
    fn dashboard_tolerates_two_missed_comments() {
        let page = include_str!("dashboard/stream.js");
        let silence = page.split_once("const SILENCE = ").unwrap().1.split_once(';').unwrap().0;
        let silence = Duration::from_millis(silence.parse().unwrap());
        assert!(silence > KEEP_ALIVE * 2 && silence > INTERVAL * 2, "{silence:?}");
    }
}
