//! Parts of one shape that are fetched together, and the requests that wait for each. Without IO.

use std::{collections::HashMap, sync::Arc};

use super::{
    purges::Epoch,
    upstream_fetch::{CallResult, Outcome, RejectedCall},
    waiting::WaitingRequest,
};
use crate::{
    cache::Interest,
    clock::Moment,
    model::{CallerName, PartId, QueueId},
    telemetry::traces::TracePoint,
    upstream::Effort,
};

/// A batch, from its first part until the last is delivered.
pub(super) struct Batch {
    /// Which of its shape's.
    pub(super) number: u64,
    parts: HashMap<PartId, PendingPart>,
    /// The queue ids without regard to ASCII case.
    folded: HashMap<String, QueueId>,
    /// In the order in which they were asked for, so that a request's ids travel together.
    order: Vec<PartId>,
    /// The request that began it: its cost is that one's.
    leader: Option<Arc<WaitingRequest>>,
    /// The first recorded trace of the requests that asked; `None` if it is refresh-ahead alone.
    asker: Option<TracePoint>,
    /// When it was dispatched, and the purges by then.
    began: Option<(Moment, Epoch)>,
    /// A call of its own for refresh-ahead, after the call that it went along with was rejected. It blocks no other batch.
    pub(super) is_separate: bool,
    /// When it began, or the batch that it was separated from.
    pub(super) first_began: Option<Moment>,
}

struct PendingPart {
    interest: Arc<Interest>,
    waiting: Vec<Arc<WaitingRequest>>,
}

/// What is to be delivered to one request.
pub(super) struct Delivery {
    pub(super) request: Arc<WaitingRequest>,
    pub(super) outcomes: Vec<(PartId, Outcome)>,
    /// Its queues of a call that was rejected.
    pub(super) returned: Vec<QueueId>,
    /// The cost, if it began the batch.
    pub(super) own: Option<Effort>,
}

/// What a call's end leaves to do.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) deliveries: Vec<Delivery>,
    /// Parts of a rejected call that no request waits for.
    pub(super) unawaited: Vec<(PartId, Arc<Interest>)>,
}

impl Batch {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            parts: HashMap::new(),
            folded: HashMap::new(),
            order: Vec::new(),
            leader: None,
            asker: None,
            began: None,
            is_separate: false,
            first_began: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn has(&self, part: &PartId) -> bool {
        self.parts.contains_key(part)
    }

    /// Whether it delivers `part` by a call that `takes` accepts, or by one that is yet to begin.
    pub(super) fn delivers(&self, part: &PartId, takes: impl Fn(Moment, Epoch) -> bool) -> bool {
        self.has(part) && self.began.is_none_or(|(began, epoch)| takes(began, epoch))
    }

    /// Adds a part, for `request` if one waits for it. A part has one interest: requests that join count on it.
    pub(super) fn add(
        &mut self,
        part: &PartId,
        interest: &Arc<Interest>,
        request: Option<&Arc<WaitingRequest>>,
        now: Moment,
    ) {
        if self.leader.is_none() && self.began.is_none() {
            self.leader = request.cloned();
        }
        match self.parts.get_mut(part) {
            Some(pending) => {
                pending.interest.note(now);
                pending.waiting.extend(request.cloned());
            }
            None => self.insert(part, interest, request.cloned().into_iter().collect()),
        }
    }

    /// A request asked for a part of it, whether it waits or not.
    pub(super) fn asked_in(&mut self, trace: &TracePoint) {
        self.asker.get_or_insert_default().or_at(trace);
    }

    /// Adds a part that no request asks for now, if it is not there.
    pub(super) fn add_unawaited(&mut self, part: &PartId, interest: &Arc<Interest>) {
        if !self.has(part) && !self.has_other_spelling(part, None) {
            self.insert(part, interest, Vec::new());
        }
    }

    fn insert(&mut self, part: &PartId, interest: &Arc<Interest>, waiting: Vec<Arc<WaitingRequest>>) {
        if let PartId::Queue(queue) = part {
            self.folded.insert(queue.as_str().to_ascii_lowercase(), queue.clone());
        }
        self.order.push(part.clone());
        self.parts.insert(part.clone(), PendingPart { interest: Arc::clone(interest), waiting });
    }

    /// Whether it holds another spelling of `part`, in other letter case, that `request` did not ask for. In one call the
    /// spelling that the vendor uses gets the row, and the other none: what a request gets must not depend on another.
    pub(super) fn has_other_spelling(&self, part: &PartId, request: Option<&Arc<WaitingRequest>>) -> bool {
        let PartId::Queue(queue) = part else { return false };
        let other = self.folded.get(&queue.as_str().to_ascii_lowercase()).filter(|other| *other != queue);
        let pending = other.and_then(|other| self.parts.get(&PartId::Queue(other.clone())));
        let is_own = |waiting: &Arc<WaitingRequest>| request.is_some_and(|request| Arc::ptr_eq(waiting, request));
        pending.is_some_and(|pending| !pending.waiting.iter().any(is_own))
    }

    /// It is dispatched now. Gives its parts in order.
    pub(super) fn dispatch(&mut self, now: Moment, epoch: Epoch) -> Vec<PartId> {
        self.began = Some((now, epoch));
        self.first_began.get_or_insert(now);
        std::mem::take(&mut self.order)
    }

    /// How many queue ids are in it.
    pub(super) fn queues(&self) -> usize {
        self.parts.keys().filter(|part| matches!(part, PartId::Queue(_))).count()
    }

    /// The trace that its span belongs to; `None` if it is refresh-ahead alone.
    pub(super) fn asker(&self) -> Option<&TracePoint> {
        self.asker.as_ref()
    }

    pub(super) fn interests(&self, parts: &[PartId]) -> HashMap<PartId, Arc<Interest>> {
        let interest = |part: &PartId| Some((part.clone(), Arc::clone(&self.parts.get(part)?.interest)));
        parts.iter().filter_map(interest).collect()
    }

    /// The caller of all requests that wait for `parts`, if it is one. A call that also has hot parts is charged to none: they
    /// must not wait for the share of one caller.
    pub(super) fn only_caller(&self, parts: &[PartId]) -> Option<CallerName> {
        let pending = || parts.iter().filter_map(|part| self.parts.get(part));
        if pending().any(|pending| pending.waiting.is_empty()) {
            return None;
        }
        let mut callers = pending().flat_map(|pending| &pending.waiting).map(|request| &request.caller);
        let first = callers.next()?;
        callers.all(|caller| caller == first).then(|| first.clone())
    }

    /// A call of it has ended: sorts what it brought by the requests that wait for it.
    pub(super) fn ended(&mut self, result: CallResult) -> Ended {
        let CallResult { outcomes, effort, rejected } = result;
        let mut ended = Ended::default();
        let mut places: HashMap<*const WaitingRequest, usize> = HashMap::new();
        let leader = self.leader.clone();
        let mut delivery = |request: &Arc<WaitingRequest>, add: &dyn Fn(&mut Delivery)| {
            let place = *places.entry(Arc::as_ptr(request)).or_insert_with(|| {
                let own = leader.as_ref().filter(|leader| Arc::ptr_eq(leader, request)).map(|_| effort);
                let (outcomes, returned) = Default::default();
                ended.deliveries.push(Delivery { request: Arc::clone(request), outcomes, returned, own });
                ended.deliveries.len() - 1
            });
            if let Some(delivery) = ended.deliveries.get_mut(place) {
                add(delivery);
            }
        };
        for (part, outcome) in outcomes {
            let Some(pending) = self.parts.remove(&part) else { continue };
            for request in &pending.waiting {
                delivery(request, &|delivery| delivery.outcomes.push((part.clone(), outcome.clone())));
            }
        }
        let mut unawaited = Vec::new();
        for queue in rejected.map(|RejectedCall { queues, .. }| queues).unwrap_or_default() {
            let part = PartId::Queue(queue.clone());
            let Some(pending) = self.parts.remove(&part) else { continue };
            if pending.waiting.is_empty() {
                unawaited.push((part, pending.interest));
            } else {
                for request in &pending.waiting {
                    delivery(request, &|delivery| delivery.returned.push(queue.clone()));
                }
            }
        }
        ended.unawaited = unawaited;
        ended
    }
}
