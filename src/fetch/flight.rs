use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::{Notify, watch},
    task::{Id, JoinSet},
};

use super::{
    ahead::Ahead,
    calls::{Brought, Errand, Landed, Miss, Trip, Wanted},
    halves::Next,
    lanes::Place,
};
use crate::{
    model::{Interval, PartId, QueueId},
    telemetry::traces::FetchTold,
    upstream::UpstreamError,
};

/// Among many bad ids the good ones are not found. That is no refusal of theirs.
const NOT_FOUND: UpstreamError = UpstreamError::Failed { code: None, said_no: false };

/// One group on its way, in a task of its own. However that ends, the group leaves the board, and who waits for it waits
/// no more.
pub(super) struct Flight {
    pub(super) place: Place,
    /// Which of its lane's groups.
    pub(super) number: u64,
    pub(super) landing: watch::Sender<Landed>,
    /// That somebody has joined the group.
    pub(super) joined: Arc<Notify>,
    pub(super) ahead: Arc<Mutex<Ahead>>,
}

impl Flight {
    /// Fetches `wanted`, the calls side by side, and takes those apart that are refused. What each brings is given as soon
    /// as it is there.
    pub(super) async fn fly(self, interval: Option<Interval>, wanted: Wanted) {
        let calls = Arc::clone(&self.place.lanes.calls);
        let began = calls.clock.now();
        let span = if wanted.askers == 0 { calls.traces.fetch_ahead() } else { wanted.asker.begin() };
        let errand = calls.errand(&self.place.shape, interval, &wanted, span.point());
        self.landing.send_if_modified(|so_far| {
            so_far.trace = span.point();
            false
        });
        let parts = wanted.parts.len();
        let mut under_way = UnderWay::default();
        for trip in calls.trips(&self.place.shape, wanted.parts) {
            under_way.begin(&errand, trip, false);
        }
        let mut refusal = None;
        loop {
            let some = match self.next(under_way.calls.len()) {
                Next::Ask(queues) => {
                    under_way.begin(&errand, Trip::Rows(queues), true);
                    continue;
                }
                Next::Wait => {
                    let ended = tokio::select! {
                        ended = under_way.end() => ended,
                        () = self.joined.notified() => continue,
                    };
                    let Some((Brought { landed, answered, refused }, is_half)) = ended else { break };
                    let refused = refused.map(|(queues, rejection)| {
                        refusal = Some(rejection);
                        queues
                    });
                    self.ended(answered, refused, is_half);
                    landed
                }
                // Not remembered: which of these are bad is not known.
                Next::Refuse(queues) => {
                    errand.not_asked(queues, refusal.clone().map_or(NOT_FOUND, UpstreamError::Rejected))
                }
                Next::GiveUp(queues) => errand.not_asked(queues, NOT_FOUND),
                Next::TooLate(queues) => errand.not_asked(queues, UpstreamError::Timeout),
            };
            self.landed(some);
        }
        let whole = self.landing.borrow();
        let took = refusal.is_none().then(|| calls.clock.now().since(began));
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).landed(&whole, took);
        span.end_fetch(&FetchTold {
            route: self.place.shape.route().template(),
            parts,
            calls: whole.effort.calls,
            failed: whole.outcomes.values().any(Result::is_err),
        });
    }

    /// What is to be done next. As soon as a call is refused the lane goes on without the group, if it may.
    fn next(&self, under_way: usize) -> Next {
        let calls = &self.place.lanes.calls;
        let began = (calls.clock.now(), calls.purges.epoch());
        let mut board = self.place.lanes.board();
        let Some(lane) = self.place.own(&mut board) else { return Next::Wait };
        if lane.put_aside(self.number) {
            self.place.wake.notify_one();
        }
        lane.group(self.number).map_or(Next::Wait, |group| group.next(under_way, began))
    }

    /// A call ended. If it was refused for several queues, they are to be asked for again.
    fn ended(&self, answered: bool, refused: Option<Vec<QueueId>>, is_half: bool) {
        let calls = &self.place.lanes.calls;
        let mut board = self.place.lanes.board();
        let Some(group) = self.place.own(&mut board).and_then(|lane| lane.group(self.number)) else { return };
        if answered {
            group.halves.answered();
        }
        if let Some(queues) = refused {
            group.refused(queues, is_half, calls.clock.now(), calls.patience);
        }
    }

    /// Who asks for these from now on does not wait for the rest of the group: what came is held, and what failed before
    /// somebody asked is not that one's failure.
    fn landed(&self, some: Landed) {
        let Place { lanes, shape, wake } = &self.place;
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).learn(&lanes.calls, shape, &some);
        if let Some(group) = self.place.own(&mut lanes.board()).and_then(|lane| lane.group(self.number)) {
            group.landed(some.outcomes.keys());
        }
        wake.notify_one();
        self.landing.send_if_modified(|so_far| {
            let brings = !some.outcomes.is_empty();
            so_far.outcomes.extend(some.outcomes);
            so_far.effort += some.effort;
            brings
        });
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(lane) = self.place.own(&mut self.place.lanes.board()) {
            lane.groups.retain(|group| group.number != self.number);
        }
        self.place.wake.notify_one();
    }
}

/// The calls of a group that are under way, with what each is to bring, and whether it is part of a refused one.
#[derive(Default)]
struct UnderWay {
    calls: JoinSet<Brought>,
    parts: HashMap<Id, (Vec<PartId>, bool)>,
}

impl UnderWay {
    fn begin(&mut self, errand: &Arc<Errand>, trip: Trip, is_half: bool) {
        let (errand, parts) = (Arc::clone(errand), trip.parts());
        let task = self.calls.spawn(async move { errand.make(trip).await });
        self.parts.insert(task.id(), (parts, is_half));
    }

    /// What the first of them to end brought.
    async fn end(&mut self) -> Option<(Brought, bool)> {
        match self.calls.join_next_with_id().await? {
            Ok((id, brought)) => {
                let is_half = self.parts.remove(&id).is_some_and(|(_, is_half)| is_half);
                Some((brought, is_half))
            }
            // A call that panicked brings nothing: who waited for its parts learns that they were lost.
            Err(ended) => {
                let (parts, is_half) = self.parts.remove(&ended.id()).unwrap_or_default();
                let landed = Landed::all(parts, &Miss::Lost);
                Some((Brought { landed, answered: false, refused: None }, is_half))
            }
        }
    }
}
