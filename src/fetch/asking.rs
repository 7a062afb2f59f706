//! One question on its way to its answer: what is held for it, what is fetched, and what stands in for a fetch that
//! failed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    assemble::{Slot, Way, assemble},
    calls::{Calls, Miss, Wanted},
    demand::Demand,
    lanes::{Joined, Lanes, Lost},
    part::Kept,
    prepared_query::PreparedQuery,
    served::{Failure, FetchError, Forwarded, Served},
    unanswered::{Unanswered, lost, refusal},
};
use crate::{
    cache::Freshness,
    clock::{Moment, before},
    model::{PartId, Shape},
    telemetry::traces::RequestSpan,
    upstream::{Effort, Patience, UpstreamError},
};

/// A question that is being answered.
pub(super) struct Asking<'a> {
    calls: &'a Calls,
    lanes: &'a Arc<Lanes>,
    query: &'a PreparedQuery,
    shape: &'a Shape,
    demand: Demand,
    /// Whether rows that cannot be told apart may be passed on together.
    may_be_whole: bool,
    /// When it was asked.
    since: Moment,
    /// What its own vendor calls have cost by now.
    effort: Effort,
    /// Why something stale stands in, if it does.
    error: Option<FetchError>,
}

impl<'a> Asking<'a> {
    /// It is asked now.
    pub(super) fn new(
        calls: &'a Calls,
        lanes: &'a Arc<Lanes>,
        query: &'a PreparedQuery,
        demand: Demand,
        may_be_whole: bool,
    ) -> Self {
        let since = calls.clock.now();
        Self {
            calls,
            lanes,
            query,
            shape: query.shape(),
            demand,
            may_be_whole,
            since,
            effort: Effort::default(),
            error: None,
        }
    }

    /// The answer, put together from these parts, and how each of them came.
    pub(super) async fn answer(
        mut self,
        ids: Vec<PartId>,
        span: &mut RequestSpan,
    ) -> Result<(Served, Vec<Slot>), Unanswered> {
        let mut slots: Vec<Slot> = ids.into_iter().map(|id| self.look(id)).collect();
        // Before anything is spent on the rest of a question that is refused all the same.
        refusal(self.query.queues(), &slots, self.effort)?;
        if self.fetch_unless_refused(&mut slots, span).await? {
            refusal(self.query.queues(), &slots, self.effort)?;
            // The wait took its time for what was held all along too.
            if self.judge_anew(&mut slots) {
                self.fetch_unless_refused(&mut slots, span).await?;
                self.judge_anew(&mut slots);
                // A caller whose other parts take longer than these are good would wait for ever.
                let error = self.error.take().unwrap_or(FetchError::Upstream(UpstreamError::Timeout));
                self.fall_back(&mut slots, &error)?;
            }
            refusal(self.query.queues(), &slots, self.effort)?;
        }
        let served = assemble(self.calls, &slots, self.effort).ok_or_else(|| Unanswered::Failed(lost()))?;
        Ok((served, slots))
    }

    /// What is held for a part, and what is to be done for it.
    fn look(&self, id: PartId) -> Slot {
        let key = self.shape.part(id);
        let kept = self.calls.store.get(&key);
        if let Some(kept) = &kept {
            kept.interest.note(self.since);
        }
        let mut slot = Slot { key, kept, way: Way::Missing };
        slot.way = self.way(&slot);
        slot
    }

    /// What is to be done for a part, as what is held of it stands now. Whether that is young enough was settled when it
    /// was asked for.
    fn way(&self, Slot { key, kept, .. }: &Slot) -> Way {
        let young = kept.as_ref().is_none_or(|kept| self.demand.takes(kept.began, self.since));
        match kept.as_ref().map(|kept| self.calls.judge(key, kept)) {
            Some(Freshness::Fresh { left, stretched }) if young => Way::Hit { left, stretched },
            Some(Freshness::Fresh { .. }) => Way::Unwanted,
            Some(Freshness::StaleWhileRevalidate { past }) if young => Way::Revalidating { past },
            Some(Freshness::StaleWhileRevalidate { past } | Freshness::StaleIfError { past }) => Way::Stale { past },
            Some(Freshness::Gone) | None => Way::Missing,
        }
    }

    /// Judges what was held as it stands after a wait; what has come meanwhile takes its place. Gives whether any of it
    /// is to be fetched, or begins to be refreshed.
    fn judge_anew(&self, slots: &mut [Slot]) -> bool {
        let mut any = false;
        for slot in slots {
            if matches!(slot.way, Way::Hit { .. } | Way::Revalidating { .. } | Way::InsteadOfError { .. }) {
                let newer = self.calls.store.get(&slot.key);
                let began = slot.kept.as_ref().map(|kept| kept.began);
                slot.kept = newer.filter(|newer| Some(newer.began) >= began).or_else(|| slot.kept.take());
                let way = match (slot.way, self.way(slot)) {
                    // It was fetched, and that failed.
                    (Way::InsteadOfError { .. }, Way::Revalidating { past } | Way::Stale { past }) => {
                        Way::InsteadOfError { past }
                    }
                    (_, way) => way,
                };
                any |= matches!((slot.way, way), (Way::Hit { .. }, Way::Revalidating { .. }));
                slot.way = way;
            }
            any |= slot.must_be_fetched();
        }
        any
    }

    /// The same as [`Self::fetch`]; but that an id is refused is told before that others failed.
    async fn fetch_unless_refused(&mut self, slots: &mut [Slot], span: &mut RequestSpan) -> Result<bool, Unanswered> {
        let fetched = self.fetch(slots, span).await;
        if fetched.is_err() {
            refusal(self.query.queues(), slots, self.effort)?;
        }
        fetched
    }

    /// Fetches what must be fetched, and begins to refresh what may be served meanwhile. Gives whether it waited; then
    /// what was held is to be judged anew.
    async fn fetch(&mut self, slots: &mut [Slot], span: &mut RequestSpan) -> Result<bool, Unanswered> {
        let to_fetch =
            slots.iter().filter(|slot| slot.must_be_fetched() || matches!(slot.way, Way::Revalidating { .. }));
        let parts: Vec<_> = to_fetch
            .map(|slot| {
                let interest = slot.kept.as_ref().map(|kept| Arc::clone(&kept.interest)).unwrap_or_default();
                interest.note(self.since);
                (slot.key.part.clone(), interest)
            })
            .collect();
        if parts.is_empty() {
            return Ok(false);
        }
        let nothing_stands_by = slots.iter().any(|slot| matches!(slot.way, Way::Missing));
        let patience = if nothing_stands_by { Patience::Waits } else { Patience::None };
        let must_wait = slots.iter().any(Slot::must_be_fetched);
        if must_wait && self.demand.only_if_cached {
            return Err(self.failed(FetchError::NotHeld));
        }
        let wanted = Wanted { parts, patience, askers: 1, asker: span.point() };
        match self.lanes.join(self.shape, self.query.interval, wanted, self.demand) {
            // A refresh that found no room runs a little later.
            _ if !must_wait => Ok(false),
            Ok(joined) => self.wait(joined, slots, span).await.map(|()| true),
            Err(full) => self.fall_back(slots, &FetchError::Full(full)).map(|()| false),
        }
    }

    async fn wait(&mut self, joined: Joined, slots: &mut [Slot], span: &mut RequestSpan) -> Result<(), Unanswered> {
        let Joined { held, tickets } = joined;
        let mut outcomes: HashMap<PartId, (Result<Kept, Miss>, bool)> = HashMap::new();
        let clock = self.calls.clock.as_ref();
        let deadline = self.since.after(self.calls.patience);
        let mut missed = FetchError::Lost(Lost);
        let held: HashMap<PartId, Kept> = held.into_iter().collect();
        let needed: HashSet<PartId> =
            slots.iter().filter(|slot| slot.must_be_fetched()).map(|slot| slot.key.part.clone()).collect();
        for mut ticket in tickets {
            ticket.parts.retain(|part| needed.contains(part));
            if needed.iter().all(|part| outcomes.contains_key(part) || held.contains_key(part)) {
                // The rest is a refresh that nobody waits for.
                break;
            }
            let leads = ticket.leads;
            let landed = match before(clock, deadline, ticket.landed()).await {
                Some(Ok(landed)) => landed,
                Some(Err(Lost)) => continue,
                None => {
                    missed = FetchError::Upstream(UpstreamError::Timeout);
                    continue;
                }
            };
            span.waited_for(&landed.trace);
            if leads {
                self.effort += landed.effort;
            }
            for (part, outcome) in landed.outcomes {
                // The first comes first: a later group's failure takes nothing away.
                outcomes.entry(part).or_insert((outcome, leads));
            }
        }
        let mut failed = None;
        for slot in slots.iter_mut().filter(|slot| slot.must_be_fetched()) {
            // A group that has not landed yet may have brought this part already.
            let late = || self.fresh(slot).filter(|_| !outcomes.contains_key(&slot.key.part));
            if let Some(kept) = held.get(&slot.key.part).cloned().or_else(late) {
                (slot.kept, slot.way) = (Some(kept), Way::HELD);
                continue;
            }
            let error = match outcomes.remove(&slot.key.part) {
                Some((Ok(kept), led)) => {
                    let why = slot.forwarded().unwrap_or(Forwarded::UriMiss);
                    (slot.kept, slot.way) = (Some(kept), Way::Fetched { led, why });
                    continue;
                }
                Some((Err(Miss::Whole), _)) if self.may_be_whole => return Err(Unanswered::NotTakenApart),
                Some((Err(Miss::Whole), _)) => UpstreamError::InvalidResponse("its rows cannot be told apart").into(),
                Some((Err(Miss::Upstream(error)), _)) => error.into(),
                Some((Err(Miss::Lost), _)) => FetchError::Lost(Lost),
                None => missed.clone(),
            };
            failed = Some(graver(failed, error));
        }
        failed.map_or(Ok(()), |error| self.fall_back(slots, &error))
    }

    /// What is held for a slot by now, if it is fresh and young enough.
    fn fresh(&self, slot: &Slot) -> Option<Kept> {
        let kept = self.calls.store.get(&slot.key)?;
        let fresh = matches!(self.calls.judge(&slot.key, &kept), Freshness::Fresh { .. });
        (fresh && self.demand.takes(kept.began, self.since)).then_some(kept)
    }

    /// What may be served although its fetch failed, judged after the wait for it: the window may have ended
    /// meanwhile. A refusal of the request itself is never papered over.
    fn fall_back(&mut self, slots: &mut [Slot], error: &FetchError) -> Result<(), Unanswered> {
        // Who demands something young is not served something old instead.
        let demanding = self.demand.max_age.is_some();
        let refused = matches!(error, FetchError::Upstream(UpstreamError::Rejected(_)));
        let to_judge = |slot: &&mut Slot| slot.must_be_fetched() || matches!(slot.way, Way::InsteadOfError { .. });
        for slot in slots.iter_mut().filter(to_judge) {
            let judged = slot.kept.as_ref().map(|kept| self.calls.judge(&slot.key, kept));
            slot.way = match judged.filter(|_| !refused && !demanding) {
                // `ttl`s may have been stretched meanwhile.
                Some(Freshness::Fresh { left, stretched }) => Way::Hit { left, stretched },
                Some(Freshness::StaleWhileRevalidate { past } | Freshness::StaleIfError { past }) => {
                    Way::InsteadOfError { past }
                }
                Some(Freshness::Gone) | None => return Err(self.failed(error.clone())),
            };
        }
        self.error = Some(error.clone());
        Ok(())
    }

    fn failed(&self, error: FetchError) -> Unanswered {
        Unanswered::Failed(Failure { error, effort: self.effort })
    }
}

/// Which of two failures is told: a refusal before all others, for it will not pass.
fn graver(first: Option<FetchError>, second: FetchError) -> FetchError {
    match first {
        None | Some(FetchError::Lost(_)) => second,
        Some(_) if matches!(second, FetchError::Upstream(UpstreamError::Rejected(_))) => second,
        Some(first) => first,
    }
}
