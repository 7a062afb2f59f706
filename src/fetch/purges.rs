//! What was purged of late. A call that began before a purge brings what was true before it: that must not come back as
//! fresh, and nobody who asks after the purge may wait for it.

use std::collections::VecDeque;

use super::Parts;
use crate::{
    clock::Moment,
    model::{CompanyId, PartId, PartKey, QueueId, Route},
};
use parking_lot::{RwLock, RwLockReadGuard};

/// Which parts are purged, and how. By default all of them, softly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purge {
    /// Of this route only.
    pub route: Option<Route>,
    /// About this company only.
    pub company: Option<CompanyId>,
    /// About this queue only.
    pub queue: Option<QueueId>,
    /// Whether they are gone. Otherwise they are stale at once, and may be served as the stale windows allow.
    pub hard: bool,
}

impl Purge {
    /// Whether the part under `key` is meant.
    pub(super) fn means(&self, key: &PartKey) -> bool {
        let names = |queue: &QueueId| match &key.part {
            PartId::Document => false,
            PartId::Queue(own) => own == queue,
            PartId::Set(all) => all.contains(queue),
        };
        // By its name: a further route can take two methods.
        self.route.is_none_or(|route| key.shape.route().template() == route.template())
            && self.company.is_none_or(|company| key.shape.company() == Some(company))
            && self.queue.as_ref().is_none_or(names)
    }
}

/// How many purges came before something; it tells what began before a purge from what began after, also in the same
/// moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Epoch(u64);

/// A part was purged since some epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Purged {
    pub(super) at: Moment,
    pub(super) hard: bool,
}

/// The log of purges.
#[derive(Default)]
pub(super) struct Purges(RwLock<Log>);

#[derive(Default)]
pub(super) struct Log {
    now: Epoch,
    /// The newest last.
    recent: VecDeque<(Epoch, Moment, Purge)>,
    /// The newest that is forgotten: whatever began before it counts as purged.
    forgotten: Option<(Epoch, Moment)>,
    /// Whether any that is forgotten was hard.
    forgot_hard: bool,
}

/// Purges that are remembered one by one.
const MOST: usize = 256;

impl Purges {
    /// Where the log stands.
    pub(super) fn epoch(&self) -> Epoch {
        self.log().now
    }

    /// The log as it is. While it is held nothing is purged: what is looked up in it and then put is put before the next
    /// purge, which will find it.
    pub(super) fn log(&self) -> RwLockReadGuard<'_, Log> {
        self.0.read()
    }

    /// Notes a purge. What is held is to be purged after this, not before.
    pub(super) fn note(&self, purge: Purge, now: Moment) {
        let mut log = self.0.write();
        log.now = Epoch(log.now.0.saturating_add(1));
        let epoch = log.now;
        log.recent.push_back((epoch, now, purge));
        if log.recent.len() > MOST
            && let Some((epoch, at, purge)) = log.recent.pop_front()
        {
            log.forgotten = Some((epoch, at));
            log.forgot_hard |= purge.hard;
        }
    }
}

impl Log {
    /// Whether what began at `epoch` under `key` has been purged since.
    pub(super) fn since(&self, epoch: Epoch, key: &PartKey) -> Option<Purged> {
        if epoch == self.now {
            return None;
        }
        let meant = self.recent.iter().filter(|(purged, _, purge)| epoch < *purged && purge.means(key));
        let forgotten =
            self.forgotten.filter(|(purged, _)| epoch < *purged).map(|(_, at)| Purged { at, hard: self.forgot_hard });
        meant
            .map(|(_, at, purge)| Purged { at: *at, hard: purge.hard })
            .chain(forgotten)
            .reduce(|one, other| Purged { at: one.at.min(other.at), hard: one.hard || other.hard })
    }
}

impl Parts {
    /// Purges what `purge` means, also what is on its way from the vendor. Gives how many parts were held of it. Looks at
    /// all that is held: not for a thread that answers.
    pub fn purge(&self, purge: &Purge) -> u64 {
        let now = self.fetcher.clock.now();
        self.fetcher.purges.note(purge.clone(), now);
        self.fetcher.store.purge(|key| purge.means(key), (!purge.hard).then_some(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Figures, Forwarded, Query, QueuesQuery, Subject};

    fn queue(id: &str) -> QueueId {
        QueueId::try_from(id.to_owned()).unwrap()
    }

    fn keys() -> [PartKey; 4] {
        let company = |n: u64| Subject::Questions(CompanyId::try_from(n).unwrap());
        let queues = QueuesQuery { figures: Figures::Summary, queues: [queue("a")].into(), extended: None };
        let shape = |subject| Query { subject, forwarded: Forwarded::default() }.shape();
        let summary = shape(Subject::Queues(queues));
        [
            shape(company(1)).part(PartId::Document),
            shape(company(2)).part(PartId::Document),
            summary.part(PartId::Queue(queue("a"))),
            summary.part(PartId::Set([queue("a"), queue("b")].into())),
        ]
    }

    #[test]
    fn a_purge_means_what_it_names_and_all_where_it_names_nothing() {
        let company = CompanyId::try_from(1).ok();
        for (purge, meant) in [
            (Purge::default(), [true, true, true, true]),
            (Purge { route: Some(Route::Questions), ..Purge::default() }, [true, true, false, false]),
            (Purge { company, ..Purge::default() }, [true, false, false, false]),
            (Purge { queue: Some(queue("a")), ..Purge::default() }, [false, false, true, true]),
            (Purge { queue: Some(queue("b")), ..Purge::default() }, [false, false, false, true]),
            (Purge { route: Some(Route::Surveys), company, ..Purge::default() }, [false; 4]),
        ] {
            assert_eq!(keys().map(|key| purge.means(&key)), meant, "{purge:?}");
        }
    }

    #[test]
    fn what_began_before_a_purge_is_purged_and_what_began_after_in_the_same_moment_is_not() {
        let [one, other, ..] = keys();
        let purges = Purges::default();
        let before = purges.epoch();
        let at = Moment::default();
        purges.note(Purge { company: one.shape.company(), ..Purge::default() }, at);
        let after = purges.epoch();
        assert_eq!(purges.log().since(before, &one), Some(Purged { at, hard: false }));
        assert_eq!((purges.log().since(before, &other), purges.log().since(after, &one)), (None, None));
        purges.note(Purge { hard: true, ..Purge::default() }, at.after(std::time::Duration::from_secs(1)));
        assert_eq!(purges.log().since(before, &one), Some(Purged { at, hard: true }));
        assert!(purges.log().since(after, &other).is_some());
    }

    #[test]
    fn purges_that_are_forgotten_count_as_purges_of_all() {
        let [one, other, ..] = keys();
        let purges = Purges::default();
        let before = purges.epoch();
        for _ in 0..=MOST {
            purges.note(Purge { company: one.shape.company(), ..Purge::default() }, Moment::default());
        }
        assert_eq!(purges.log().recent.len(), MOST);
        assert!(purges.log().since(before, &other).is_some_and(|purged| !purged.hard));
        assert!(purges.log().since(purges.epoch(), &one).is_none());
        for _ in 0..=MOST {
            purges.note(Purge { hard: true, ..Purge::default() }, Moment::default());
        }
        assert!(purges.log().since(before, &other).is_some_and(|purged| purged.hard), "what is gone came back");
    }
}
