//! Group commit, without a timer: one lane a shape. While nothing of the shape is in flight, what is asked for leaves
//! at once; while a group is, the next gathers; when it lands, that leaves. A group of which a call is refused is taken
//! apart aside, and the lane goes on without it. One task runs a lane and ends with it: no caller's leaving cancels
//! anything.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{
    ahead::Ahead,
    calls::{Calls, Landed, Wanted},
    demand::Demand,
    flight::Flight,
    group::{Group, Ticket},
    part::Kept,
};
use crate::{
    cache::Freshness,
    config::Config,
    model::{Interval, PartId, Shape},
    telemetry::traces::TracePoint,
    upstream::Patience,
};

/// Groups of one shape that are taken apart aside at once. A further one is taken apart in the lane, which waits for it.
const MOST_ASIDE: usize = 2;

/// All lanes.
pub(super) struct Lanes {
    board: Mutex<HashMap<Shape, Lane>>,
    pub(super) calls: Arc<Calls>,
    most: AtomicUsize,
}

pub(super) struct Lane {
    /// Those in the air: those that are taken apart aside, and at most one other.
    pub(super) groups: Vec<Group>,
    gathering: Option<Gathering>,
    begun: u64,
    wake: Arc<Notify>,
}

/// The next group, its landing's other end, and what it is to fetch.
type Gathering = (Group, watch::Sender<Landed>, Wanted);

impl Lane {
    fn new(wake: Arc<Notify>) -> Self {
        Self { groups: Vec::new(), gathering: None, begun: 0, wake }
    }

    /// The next group; true if it begins with this.
    fn gather(&mut self) -> (&mut Gathering, bool) {
        let begins = self.gathering.is_none();
        if begins {
            self.begun += 1;
            self.wake.notify_one();
        }
        (self.gathering.get_or_insert_with(|| nobody_waits(self.begun)), begins)
    }

    pub(super) fn group(&mut self, number: u64) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.number == number)
    }

    /// Whether a group in the air will bring `part`.
    fn brings(&self, part: &PartId) -> bool {
        self.groups.iter().any(|group| group.has(part))
    }

    /// Puts a group aside if a call of it was refused and there is room. Gives whether it did.
    pub(super) fn put_aside(&mut self, number: u64) -> bool {
        let has_room = self.groups.iter().filter(|group| group.is_aside).count() < MOST_ASIDE;
        let group = self.group(number).filter(|group| has_room && !group.is_aside && group.halves.are_asked());
        group.map(|group| group.is_aside = true).is_some()
    }

    /// Whether nothing may take off, since a group is in flight. Beside those that are taken apart the next may: it has a part
    /// of theirs only if somebody does not take the call that brings that, and of two answers the later one is kept.
    fn is_held(&self) -> bool {
        self.groups.iter().any(|group| !group.is_aside)
    }
}

/// A fetch outlives its callers, so there may be a few more lanes than requests.
pub(super) fn most_lanes(config: &Config) -> usize {
    config.limits.max_in_flight.get().saturating_mul(2)
}

fn nobody_waits(number: u64) -> Gathering {
    let (group, sender) = Group::new(number);
    (group, sender, Wanted { parts: Vec::new(), patience: Patience::None, askers: 0, asker: TracePoint::default() })
}

/// What came of asking for parts.
pub(super) struct Joined {
    /// Those that had landed in the meantime.
    pub(super) held: Vec<(PartId, Kept)>,
    /// The groups in which the others come: those in the air, and the next.
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
        let Some(lane) = board.get(shape) else { return HashSet::new() };
        let log = self.calls.purges.log();
        let comes = |part: &&PartId| {
            let unpurged = |_, epoch| log.since(epoch, &shape.part((*part).clone())).is_none();
            lane.groups.iter().any(|group| group.brings(part, unpurged))
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
        let mut new = None;
        let mut board = self.board();
        if !board.contains_key(shape) {
            self.make_room(&mut board)?;
        }
        let lane = board.entry(shape.clone()).or_insert_with(|| {
            let wake = Arc::new(Notify::new());
            let place = Place { lanes: Arc::clone(self), shape: shape.clone(), wake: Arc::clone(&wake) };
            new = Some(OnBoard(place));
            Lane::new(wake)
        });
        let mut held = Vec::new();
        let mut tickets: Vec<(u64, Ticket)> = Vec::new();
        let size = asked.parts.len();
        for (part, interest) in asked.parts {
            let key = shape.part(part.clone());
            let comes = {
                let log = self.calls.purges.log();
                let takes = |began, epoch| demand.takes(began, now) && log.since(epoch, &key).is_none();
                lane.groups.iter_mut().find(|group| group.brings(&part, takes))
            };
            let (group, leads) = match comes {
                Some(group) => (group, false),
                None => {
                    // Looked up once more: a group that landed since the caller's own look would be fetched again.
                    if let Some(kept) = self.calls.store.get(&key)
                        && matches!(self.calls.judge(&key, &kept), Freshness::Fresh { .. })
                        && demand.takes(kept.began, now)
                    {
                        held.push((part, kept));
                        continue;
                    }
                    let ((group, _, wanted), leads) = lane.gather();
                    if asked.patience == Patience::Waits {
                        wanted.patience = Patience::Waits;
                    }
                    if !group.has(&part) {
                        wanted.parts.push((part.clone(), Arc::clone(&interest)));
                    }
                    wanted.asker.or_at(&asked.asker);
                    (group, leads)
                }
            };
            if !tickets.iter().any(|(number, _)| *number == group.number) {
                // The first of several parts that this request puts there knows whether it began the group.
                tickets.push((group.number, group.ticket(leads)));
            }
            group.ask(&part, &interest, size, now);
            if let Some((_, ticket)) = tickets.iter_mut().find(|(number, _)| *number == group.number) {
                ticket.parts.insert(part);
            }
        }
        // What is in the air comes first.
        tickets.sort_by_key(|(number, _)| *number);
        drop(board);
        if let Some(lane) = new {
            // With the board let go: a runtime that is ending drops the task at once, and that takes it off the board.
            tokio::spawn(run(lane, interval));
        }
        Ok(Joined { held, tickets: tickets.into_iter().map(|(_, ticket)| ticket).collect() })
    }

    /// A lane that only waits to refresh ahead gives way to one that somebody waits for.
    fn make_room(&self, board: &mut HashMap<Shape, Lane>) -> Result<(), Full> {
        if board.len() < self.most.load(Ordering::Relaxed) {
            return Ok(());
        }
        let idle = |(_, lane): &(&Shape, &Lane)| lane.groups.is_empty() && lane.gathering.is_none();
        let shape = board.iter().find(idle).map(|(shape, _)| shape.clone()).ok_or(Full)?;
        if let Some(lane) = board.remove(&shape) {
            lane.wake.notify_one();
        }
        Ok(())
    }

    pub(super) fn board(&self) -> MutexGuard<'_, HashMap<Shape, Lane>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lane's life: until nobody waits and nothing is asked for steadily.
async fn run(lane: OnBoard, interval: Option<Interval>) {
    let ahead = Arc::new(Mutex::new(Ahead::default()));
    let mut flights = JoinSet::new();
    while lane.may_take_off(&ahead, &mut flights).await {
        let Some((flight, wanted)) = lane.take_off(&ahead) else { return };
        // Else the interest ended just now.
        if !wanted.parts.is_empty() {
            flights.spawn(flight.fly(interval, wanted));
        }
    }
}

/// A lane's place on the board.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) lanes: Arc<Lanes>,
    pub(super) shape: Shape,
    pub(super) wake: Arc<Notify>,
}

impl Place {
    /// The lane, if it is still this one: one that gave way to another may stand there anew.
    pub(super) fn own<'b>(&self, board: &'b mut HashMap<Shape, Lane>) -> Option<&'b mut Lane> {
        board.get_mut(&self.shape).filter(|lane| Arc::ptr_eq(&lane.wake, &self.wake))
    }
}

/// The lane's task's hold on its place. Takes it off the board however the task ends, a panic included.
struct OnBoard(Place);

impl OnBoard {
    /// Waits until something is to take off and may: what somebody waits for, or a part that is asked for steadily and is
    /// about to expire. False when the lane is to end.
    async fn may_take_off(&self, ahead: &Mutex<Ahead>, flights: &mut JoinSet<()>) -> bool {
        let Place { lanes, shape, wake } = &self.0;
        let calls = &lanes.calls;
        loop {
            ahead_of(ahead).heed_policies(calls, shape);
            let now = calls.clock.now();
            let due = {
                let mut board = lanes.board();
                let Some(lane) = self.0.own(&mut board) else { return false };
                let due = ahead_of(ahead).due(now, calls.stretch(), |part| lane.brings(part));
                match due {
                    _ if lane.is_held() => None,
                    _ if lane.gathering.is_some() => return true,
                    Some(due) if due <= now => return true,
                    None if lane.groups.is_empty() => {
                        board.remove(shape);
                        return false;
                    }
                    due => due,
                }
            };
            let is_due = async {
                match due {
                    Some(due) => calls.clock.sleep_until(due).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = wake.notified() => {}
                Some(_) = flights.join_next() => {}
                () = is_due => {}
            }
        }
    }

    /// What gathered, with what goes along, is now in flight.
    fn take_off(&self, ahead: &Arc<Mutex<Ahead>>) -> Option<(Flight, Wanted)> {
        let calls = &self.0.lanes.calls;
        let (now, epoch) = (calls.clock.now(), calls.purges.epoch());
        let mut board = self.0.lanes.board();
        let lane = self.0.own(&mut board)?;
        lane.gather();
        let (mut group, landing, mut wanted) = lane.gathering.take()?;
        // Along goes what costs no further call; alone, all that is due.
        let room = match wanted.parts.iter().filter(|(part, _)| matches!(part, PartId::Queue(_))).count() {
            0 if wanted.parts.is_empty() => usize::MAX,
            n => n.next_multiple_of(calls.max_queues_per_call) - n,
        };
        let ahead_now = ahead_of(ahead);
        let along = ahead_now.along(now, calls.stretch()).filter(|(part, _)| !lane.brings(part));
        group.take_off(along.take(room), &mut wanted, (now, epoch));
        drop(ahead_now);
        let (number, joined, ahead) = (group.number, Arc::clone(&group.joined), Arc::clone(ahead));
        let flight = Flight { place: self.0.clone(), number, landing, joined, ahead };
        if !wanted.parts.is_empty() {
            lane.groups.push(group);
        }
        Some((flight, wanted))
    }
}

fn ahead_of(ahead: &Mutex<Ahead>) -> MutexGuard<'_, Ahead> {
    ahead.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for OnBoard {
    fn drop(&mut self) {
        let mut board = self.0.lanes.board();
        if self.0.own(&mut board).is_some() {
            board.remove(&self.0.shape);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{cache::Interest, clock::Moment, fetch::purges::Epoch, model::QueueId};

    fn queue(id: &str) -> QueueId {
        QueueId::try_from(id.to_owned()).unwrap()
    }

    /// Somebody asks for `ids`, in the next group.
    fn ask(lane: &mut Lane, ids: &[&str]) {
        let ((group, _, wanted), leads) = lane.gather();
        drop(group.ticket(leads));
        for part in ids.iter().map(|id| PartId::Queue(queue(id))) {
            let interest = Arc::new(Interest::default());
            group.ask(&part, &interest, ids.len(), Moment::default());
            wanted.parts.push((part, interest));
        }
    }

    fn take_off(lane: &mut Lane) -> u64 {
        let (mut group, _, mut wanted) = lane.gathering.take().unwrap();
        group.take_off([].into_iter(), &mut wanted, (Moment::default(), Epoch::default()));
        let number = group.number;
        lane.groups.push(group);
        number
    }

    fn refuse(lane: &mut Lane, number: u64, ids: &[&str]) {
        let queues = ids.iter().map(|id| queue(id)).collect();
        lane.group(number).unwrap().refused(queues, false, Moment::default(), Duration::from_secs(20));
    }

    #[test]
    fn a_group_is_put_aside_once_a_call_of_it_was_refused_and_no_more_than_two_are() {
        let mut lane = Lane::new(Arc::default());
        for (i, ids) in [["a", "b"], ["c", "d"], ["e", "f"]].iter().enumerate() {
            ask(&mut lane, ids);
            assert!(!lane.is_held());
            let number = take_off(&mut lane);
            assert!(lane.is_held() && !lane.put_aside(number), "it is in flight");
            refuse(&mut lane, number, ids);
            assert_eq!(lane.put_aside(number), i < 2);
            assert!(!lane.put_aside(number), "once");
        }
        assert!(lane.is_held(), "the third is taken apart in the lane");
        lane.groups.remove(0);
        let third = lane.groups[1].number;
        assert!(lane.put_aside(third) && !lane.is_held(), "now there is room");
    }

    #[test]
    fn a_part_that_waits_for_its_next_call_comes_for_whoever_asks() {
        let mut lane = Lane::new(Arc::default());
        ask(&mut lane, &["a", "b"]);
        let number = take_off(&mut lane);
        let part = PartId::Queue(queue("a"));
        let group = lane.group(number).unwrap();
        assert!(group.brings(&part, |_, _| true) && !group.brings(&part, |_, _| false));
        refuse(&mut lane, number, &["a", "b"]);
        assert!(lane.group(number).unwrap().brings(&part, |_, _| false), "its call is yet to begin");
    }
}
