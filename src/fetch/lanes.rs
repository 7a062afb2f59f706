//! Group commit, without a timer: one lane a shape. While nothing of the shape is in flight, what is asked for leaves
//! at once; while a group is, the next gathers; when it lands, that leaves. One task runs a lane and ends with it: no
//! caller's leaving cancels anything.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, watch};

use super::{
    ahead::Ahead,
    calls::{Calls, Landed, Wanted},
    demand::Demand,
    part::Kept,
    purges::Epoch,
};
use crate::{
    cache::{Freshness, Interest},
    clock::Moment,
    config::Config,
    model::{Interval, PartId, Shape},
    telemetry::traces::TracePoint,
    upstream::Patience,
};

/// All lanes.
pub(super) struct Lanes {
    board: Mutex<HashMap<Shape, Lane>>,
    calls: Arc<Calls>,
    most: AtomicUsize,
}

struct Lane {
    flying: Option<Group>,
    gathering: Option<Gathering>,
    wake: Arc<Notify>,
}

/// The next group, its landing's other end, and what it is to fetch.
type Gathering = (Group, watch::Sender<Option<Arc<Landed>>>, Wanted);

impl Lane {
    /// Puts a part into the next group, and gives a place among those who wait for it.
    fn gather(&mut self, part: PartId, interest: Arc<Interest>, patience: Patience, now: Moment) -> Ticket {
        let leads = self.gathering.is_none();
        let (group, _, wanted) = self.gathering.get_or_insert_with(nobody_waits);
        if patience == Patience::Waits {
            wanted.patience = Patience::Waits;
        }
        match group.parts.get(&part) {
            // One interest a part: whoever asks first brings it, and the others' questions count on it.
            Some(first) => first.note(now),
            None => {
                group.parts.insert(part.clone(), Arc::clone(&interest));
                wanted.parts.push((part, interest));
            }
        }
        if leads {
            self.wake.notify_one();
        }
        Ticket { landing: group.landing.clone(), leads, parts: HashSet::new() }
    }
}

/// A fetch outlives its callers, so there may be a few more lanes than requests.
pub(super) fn most_lanes(config: &Config) -> usize {
    config.limits.max_in_flight.get().saturating_mul(2)
}

fn nobody_waits() -> Gathering {
    let (sender, landing) = watch::channel(None);
    let group = Group { parts: HashMap::new(), began: None, epoch: Epoch::default(), landing };
    (group, sender, Wanted { parts: Vec::new(), patience: Patience::None, askers: 0, asker: TracePoint::default() })
}

/// Parts that are fetched together.
struct Group {
    parts: HashMap<PartId, Arc<Interest>>,
    /// When it took off.
    began: Option<Moment>,
    /// What was purged by then.
    epoch: Epoch,
    landing: watch::Receiver<Option<Arc<Landed>>>,
}

/// A place among those who wait for a group.
pub(super) struct Ticket {
    landing: watch::Receiver<Option<Arc<Landed>>>,
    /// Whether this asking began the group: its cost is told of this request.
    pub(super) leads: bool,
    /// What is waited for. Whatever else the group brings may be older than the question.
    pub(super) parts: HashSet<PartId>,
}

/// What came of asking for parts.
pub(super) struct Joined {
    /// Those that had landed in the meantime.
    pub(super) held: Vec<(PartId, Kept)>,
    /// The groups in which the others come: two at the most.
    pub(super) tickets: Vec<Ticket>,
}

/// As many lanes are at work as may be.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many fetches are under way")]
pub struct Full;

/// A fetch ended without a result: it panicked, or the process is ending.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the fetch ended without a result")]
pub struct Lost;

impl Lanes {
    /// At most `most` lanes.
    pub(super) fn new(calls: Arc<Calls>, most: usize) -> Arc<Self> {
        Arc::new(Self { board: Mutex::default(), calls, most: AtomicUsize::new(most) })
    }

    /// From now on at most so many. Those that are there stay.
    pub(super) fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Has each lane look anew at what it is to fetch: the policies have changed.
    pub(super) fn wake_all(&self) {
        self.board().values().for_each(|lane| lane.wake.notify_one());
    }

    /// Those of `parts` that a call which is on its way will bring.
    pub(super) fn under_way(&self, shape: &Shape, parts: &[PartId]) -> HashSet<PartId> {
        let board = self.board();
        let Some(group) = board.get(shape).and_then(|lane| lane.flying.as_ref()) else { return HashSet::new() };
        let log = self.calls.purges.log();
        let comes = |part: &&PartId| {
            group.parts.contains_key(part) && log.since(group.epoch, &shape.part((*part).clone())).is_none()
        };
        parts.iter().filter(comes).cloned().collect()
    }

    /// Sees to it that the parts of `shape` that are `asked` for are fetched, each once whoever asks.
    pub(super) fn join(
        self: &Arc<Self>,
        shape: &Shape,
        interval: Option<Interval>,
        asked: Wanted,
        demand: Demand,
    ) -> Result<Joined, Full> {
        let now = self.calls.clock.now();
        let takes = |began: Option<Moment>| began.is_some_and(|began| demand.takes(began, now));
        let mut new = None;
        let mut board = self.board();
        if !board.contains_key(shape) {
            self.make_room(&mut board)?;
        }
        let lane = board.entry(shape.clone()).or_insert_with(|| {
            let wake = Arc::new(Notify::new());
            new = Some(OnBoard { lanes: Arc::clone(self), shape: shape.clone(), wake: Arc::clone(&wake) });
            Lane { flying: None, gathering: None, wake }
        });
        let mut joined = Joined { held: Vec::new(), tickets: Vec::new() };
        let mut flying: Option<Ticket> = None;
        let mut next: Option<Ticket> = None;
        for (part, interest) in asked.parts {
            if let Some(group) = lane.flying.as_ref().filter(|group| takes(group.began))
                && let Some(first) = group.parts.get(&part)
                && self.calls.purges.log().since(group.epoch, &shape.part(part.clone())).is_none()
            {
                first.note(now);
                let ticket = || Ticket { landing: group.landing.clone(), leads: false, parts: HashSet::new() };
                flying.get_or_insert_with(ticket).parts.insert(part);
                continue;
            }
            // Looked up once more: a group that landed since the caller's own look would be fetched again.
            let key = shape.part(part.clone());
            if let Some(kept) = self.calls.store.get(&key)
                && matches!(self.calls.judge(&key, &kept), Freshness::Fresh { .. })
                && takes(Some(kept.began))
            {
                joined.held.push((part, kept));
                continue;
            }
            let ticket = lane.gather(part.clone(), interest, asked.patience, now);
            // The first of several that this request puts there knows whether it began the group.
            next.get_or_insert(ticket).parts.insert(part);
        }
        if let (Some(_), Some((_, _, wanted))) = (&next, &mut lane.gathering) {
            wanted.askers += 1;
            wanted.asker.or_at(&asked.asker);
        }
        joined.tickets.extend(flying.into_iter().chain(next));
        drop(board);
        if let Some(lane) = new {
            // With the board let go: a runtime that is ending drops the task at once, and that takes it off the board.
            tokio::spawn(run(lane, interval));
        }
        Ok(joined)
    }

    /// A lane that only waits to refresh ahead gives way to one that somebody waits for.
    fn make_room(&self, board: &mut HashMap<Shape, Lane>) -> Result<(), Full> {
        if board.len() < self.most.load(Ordering::Relaxed) {
            return Ok(());
        }
        let idle = |(_, lane): &(&Shape, &Lane)| lane.flying.is_none() && lane.gathering.is_none();
        let shape = board.iter().find(idle).map(|(shape, _)| shape.clone()).ok_or(Full)?;
        if let Some(lane) = board.remove(&shape) {
            lane.wake.notify_one();
        }
        Ok(())
    }

    fn board(&self) -> MutexGuard<'_, HashMap<Shape, Lane>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Ends when the group has landed.
    pub(super) async fn landed(&mut self) -> Result<Arc<Landed>, Lost> {
        match self.landing.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().ok_or(Lost),
            Err(_) => Err(Lost),
        }
    }
}

/// A lane's life: until nobody waits and nothing is asked for steadily.
async fn run(lane: OnBoard, interval: Option<Interval>) {
    let calls = Arc::clone(&lane.lanes.calls);
    let mut ahead = Ahead::default();
    while lane.has_something_to_fetch(&mut ahead, &calls).await {
        let began = calls.clock.now();
        let Some((sender, wanted)) = lane.take_off(&ahead, began) else { return };
        if wanted.parts.is_empty() {
            // The interest ended just now.
            lane.land();
            continue;
        }
        let landed = calls.fetch(&lane.shape, interval, wanted, |some| lane.some_landed(some)).await;
        ahead.learn(&calls, &lane.shape, &landed, began);
        lane.land();
        sender.send_replace(Some(Arc::new(landed)));
    }
}

/// The lane's task's hold on its place. Takes it off the board however the task ends, a panic included.
struct OnBoard {
    lanes: Arc<Lanes>,
    shape: Shape,
    wake: Arc<Notify>,
}

impl OnBoard {
    /// Waits until somebody waits, or until a part that is asked for steadily is about to expire. False when the lane is
    /// to end.
    async fn has_something_to_fetch(&self, ahead: &mut Ahead, calls: &Calls) -> bool {
        loop {
            ahead.heed_policies(calls, &self.shape);
            let now = calls.clock.now();
            let due = {
                let mut board = self.lanes.board();
                let Some(lane) = self.own(&mut board) else { return false };
                match ahead.due(now, calls.stretch()) {
                    _ if lane.gathering.is_some() => return true,
                    Some(due) if due <= now => return true,
                    Some(due) => due,
                    None => {
                        board.remove(&self.shape);
                        return false;
                    }
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = calls.clock.sleep_until(due) => {}
            }
        }
    }

    /// What gathered, with what goes along, is now in flight.
    fn take_off(&self, ahead: &Ahead, now: Moment) -> Option<(watch::Sender<Option<Arc<Landed>>>, Wanted)> {
        let mut board = self.lanes.board();
        let lane = self.own(&mut board)?;
        let (mut group, sender, mut wanted) = lane.gathering.take().unwrap_or_else(nobody_waits);
        // Along goes what costs no further call; alone, all that is due.
        let per_call = self.lanes.calls.max_queues_per_call;
        let room = match wanted.parts.iter().filter(|(part, _)| matches!(part, PartId::Queue(_))).count() {
            0 if wanted.parts.is_empty() => usize::MAX,
            n => n.next_multiple_of(per_call) - n,
        };
        for (part, interest) in ahead.along(now, self.lanes.calls.stretch()).take(room) {
            if group.parts.insert(part.clone(), Arc::clone(&interest)).is_none() {
                wanted.parts.push((part, interest));
            }
        }
        (group.began, group.epoch) = (Some(now), self.lanes.calls.purges.epoch());
        lane.flying = Some(group);
        Some((sender, wanted))
    }

    /// Who asks for these from now on does not wait for the rest of the group: what came is held, and what failed before
    /// somebody asked is not that one's failure.
    fn some_landed(&self, some: &Landed) {
        let mut board = self.lanes.board();
        if let Some(flying) = self.own(&mut board).and_then(|lane| lane.flying.as_mut()) {
            flying.parts.retain(|part, _| !some.outcomes.contains_key(part));
        }
    }

    fn land(&self) {
        let mut board = self.lanes.board();
        if let Some(lane) = self.own(&mut board) {
            lane.flying = None;
        }
    }

    /// The lane, if it is still this task's: one that gave way to another may stand there anew.
    fn own<'b>(&self, board: &'b mut HashMap<Shape, Lane>) -> Option<&'b mut Lane> {
        board.get_mut(&self.shape).filter(|lane| Arc::ptr_eq(&lane.wake, &self.wake))
    }
}

impl Drop for OnBoard {
    fn drop(&mut self) {
        let mut board = self.lanes.board();
        if self.own(&mut board).is_some() {
            board.remove(&self.shape);
        }
    }
}
