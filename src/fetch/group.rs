use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{Notify, watch};

use super::{
    calls::{Landed, Wanted},
    halves::{Asker, Halves, Next},
    lanes::Lost,
    purges::Epoch,
};
use crate::{
    cache::Interest,
    clock::Moment,
    model::{PartId, QueueId},
};

/// Parts that are fetched together, as long as their outcome is not known.
pub(super) struct Group {
    /// Which of its lane's.
    pub(super) number: u64,
    parts: HashMap<PartId, Sought>,
    /// How many requests have ever waited for it.
    askers: usize,
    /// Whether the lane goes on without it: a call of it was refused, and is taken apart.
    pub(super) is_aside: bool,
    /// What is to be asked for again.
    pub(super) halves: Halves,
    /// That somebody has joined it, which may change what is to be done next.
    pub(super) joined: Arc<Notify>,
    landing: watch::Receiver<Landed>,
}

/// One part in it.
struct Sought {
    interest: Arc<Interest>,
    asker: Asker,
    /// When the call it is in began, and what was purged by then; `None` if it waits for its call.
    call: Option<(Moment, Epoch)>,
}

/// A place among those who wait for a group.
pub(super) struct Ticket {
    landing: watch::Receiver<Landed>,
    /// Whether this asking began the group: its cost is told of this request.
    pub(super) leads: bool,
    /// What is waited for. Whatever else the group brings may be older than the question.
    pub(super) parts: HashSet<PartId>,
}

impl Group {
    /// Nobody waits for it. With its landing's other end.
    pub(super) fn new(number: u64) -> (Self, watch::Sender<Landed>) {
        let (sender, landing) = watch::channel(Landed::default());
        let (parts, halves, joined) = Default::default();
        (Self { number, parts, askers: 0, is_aside: false, halves, joined, landing }, sender)
    }

    pub(super) fn has(&self, part: &PartId) -> bool {
        self.parts.contains_key(part)
    }

    /// Whether it brings `part` by a call that `takes` takes, or by one that is yet to begin.
    pub(super) fn brings(&self, part: &PartId, takes: impl Fn(Moment, Epoch) -> bool) -> bool {
        self.parts.get(part).is_some_and(|place| place.call.is_none_or(|(began, epoch)| takes(began, epoch)))
    }

    /// One more request waits.
    pub(super) fn ticket(&mut self, leads: bool) -> Ticket {
        self.askers += 1;
        self.joined.notify_one();
        Ticket { landing: self.landing.clone(), leads, parts: HashSet::new() }
    }

    /// The request that came last asks for `part`, among `size`. One interest a part: whoever asks first brings it, and the
    /// others' questions count on it. Gives whether it was not there yet.
    pub(super) fn ask(&mut self, part: &PartId, interest: &Arc<Interest>, size: usize, now: Moment) -> bool {
        let asker = Asker { size, number: self.askers };
        let Some(place) = self.parts.get_mut(part) else {
            let place = Sought { interest: Arc::clone(interest), asker, call: None };
            self.parts.insert(part.clone(), place);
            return true;
        };
        place.interest.note(now);
        if asker.size < place.asker.size {
            place.asker = asker;
            if self.halves.are_asked() {
                self.halves.allow(asker, now);
                if let (None, PartId::Queue(queue)) = (place.call, part) {
                    self.halves.take_out(queue, asker);
                }
            }
        }
        false
    }

    /// It takes off now, with these too. What there is of them goes into `wanted`.
    pub(super) fn take_off(
        &mut self,
        along: impl Iterator<Item = (PartId, Arc<Interest>)>,
        wanted: &mut Wanted,
        began: (Moment, Epoch),
    ) {
        for (part, interest) in along {
            if !self.has(&part) {
                let place = Sought { interest: Arc::clone(&interest), asker: Asker::NOBODY, call: None };
                self.parts.insert(part.clone(), place);
                wanted.parts.push((part, interest));
            }
        }
        self.parts.values_mut().for_each(|place| place.call = Some(began));
        wanted.askers = self.askers;
    }

    /// What came of `parts` is known.
    pub(super) fn landed<'p>(&mut self, parts: impl Iterator<Item = &'p PartId>) {
        for part in parts {
            self.parts.remove(part);
        }
    }

    /// A call for `queues` was refused: they wait for their next one. `longest` is as long as that may go on.
    pub(super) fn refused(&mut self, queues: Vec<QueueId>, is_half: bool, now: Moment, longest: Duration) {
        let of = |queue: QueueId| {
            let place = self.parts.get_mut(&PartId::Queue(queue.clone()))?;
            place.call = None;
            Some((place.asker, queue))
        };
        let ids: Vec<_> = queues.into_iter().filter_map(of).collect();
        if !is_half {
            self.halves.begin(ids.len(), now, longest);
        }
        self.halves.split(ids);
    }

    /// What is to be done next, where so many calls are under way. Nobody joins for what is failed by it.
    pub(super) fn next(&mut self, under_way: usize, began: (Moment, Epoch)) -> Next {
        let next = self.halves.next(under_way, self.askers, began.0);
        let part = |queue: &QueueId| PartId::Queue(queue.clone());
        match &next {
            Next::Wait => {}
            Next::Ask(queues) => {
                for queue in queues {
                    if let Some(place) = self.parts.get_mut(&part(queue)) {
                        place.call = Some(began);
                    }
                }
            }
            Next::Refuse(queues) | Next::GiveUp(queues) | Next::TooLate(queues) => {
                for queue in queues {
                    self.parts.remove(&part(queue));
                }
            }
        }
        next
    }
}

impl Ticket {
    /// Ends when it is known what came of all that is waited for.
    pub(super) async fn landed(&mut self) -> Result<Landed, Lost> {
        let Self { landing, parts, .. } = self;
        let all = |so_far: &Landed| parts.iter().all(|part| so_far.outcomes.contains_key(part));
        // Without the sender nothing more comes.
        let so_far = landing.wait_for(all).await.map_err(|_| Lost)?;
        let outcome = |part: &PartId| Some((part.clone(), so_far.outcomes.get(part)?.clone()));
        let outcomes = parts.iter().filter_map(outcome).collect();
        Ok(Landed { outcomes, effort: so_far.effort, trace: so_far.trace.clone() })
    }
}
