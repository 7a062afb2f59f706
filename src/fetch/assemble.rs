//! From parts to one answer that says truly where it came from.

use std::time::Duration;

use super::{
    part::{Kept, Part},
    rows::{join_restricted, join_rows},
    served::{Forwarded, Found, Served, Tally},
    upstream_fetch::PartFetcher,
};
use crate::{cache::Freshness, model::PartKey, upstream::Effort};

/// One part of a query, and how it stands.
pub(super) struct Slot {
    pub(super) key: PartKey,
    /// What is held, or was fetched.
    pub(super) kept: Option<Kept>,
    pub(super) way: Way,
}

/// How a part comes into the answer.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// Held and fresh for `left` longer.
    Hit { left: Duration, stretched: bool },
    /// Held and stale; a refresh runs.
    Revalidating { past: Duration },
    /// Held, and may be served only if the vendor fails: to be fetched.
    Stale,
    /// Not held: to be fetched.
    Missing,
    /// Held and fresh, but older than the caller demands: to be fetched.
    Unwanted,
    /// Fetched now.
    Fetched { led: bool, why: Forwarded },
    /// Held and stale; the vendor failed.
    InsteadOfError { past: Duration },
}

impl Slot {
    /// Whether the answer has to wait for it.
    pub(super) fn must_be_fetched(&self) -> bool {
        self.forwarded().is_some()
    }

    /// Why it has to be fetched, if it has.
    pub(super) fn forwarded(&self) -> Option<Forwarded> {
        match self.way {
            Way::Missing => Some(Forwarded::UriMiss),
            Way::Stale => Some(Forwarded::Stale),
            Way::Unwanted => Some(Forwarded::Request),
            Way::Hit { .. } | Way::Revalidating { .. } | Way::Fetched { .. } | Way::InsteadOfError { .. } => None,
        }
    }
}

/// Puts the answer together. `None` only if a part is not there, which is a bug.
pub(super) fn assemble(fetcher: &PartFetcher, slots: &[Slot], effort: Effort) -> Option<Served> {
    let now = fetcher.clock.now();
    let kept: Vec<&Kept> = slots.iter().map(|slot| slot.kept.as_ref()).collect::<Option<_>>()?;
    let (body, restricted, etag) = match kept.first().map(|kept| &kept.content)? {
        Part::Document { body, etag, .. } => (body.clone(), None, Some(etag.clone())),
        Part::Refused(_) => return None,
        Part::Row { .. } | Part::Absent { .. } => {
            // The newest call's envelope: whatever else the vendor says in it is the latest.
            let newest = kept.iter().max_by_key(|kept| kept.began)?;
            let rows = kept.iter().filter_map(|kept| match &kept.content {
                Part::Row { body, .. } => Some(body),
                _ => None,
            });
            let envelope = newest.content.envelope()?;
            (join_rows(envelope, rows.clone()), join_restricted(envelope, rows), None)
        }
    };
    let oldest = kept.iter().map(|kept| kept.began).min()?;
    Some(Served {
        body,
        restricted,
        etag,
        age: now.since(oldest),
        found: found(fetcher, slots),
        parts: tally(slots),
        effort,
    })
}

fn tally(slots: &[Slot]) -> Tally {
    let mut tally = Tally::default();
    let mut ways = [false; 3];
    let mut stretched_hits = 0;
    for slot in slots {
        let (way, count) = match slot.way {
            Way::Hit { stretched, .. } => {
                stretched_hits += u32::from(stretched);
                (0, &mut tally.hit)
            }
            Way::Revalidating { .. } | Way::InsteadOfError { .. } => (1, &mut tally.stale),
            Way::Fetched { led: true, .. } => (2, &mut tally.fetched),
            Way::Fetched { led: false, .. } => (2, &mut tally.joined),
            Way::Stale | Way::Missing | Way::Unwanted => continue,
        };
        match slot.kept.as_ref().map(|kept| &kept.content) {
            Some(Part::Absent { .. }) => tally.absent += 1,
            _ => *count += 1,
        }
        if let Some(way) = ways.get_mut(way) {
            *way = true;
        }
    }
    tally.mixed = ways.iter().filter(|way| **way).count() > 1;
    tally.stretched = if tally.mixed { stretched_hits } else { 0 };
    tally
}

/// One part that was not there at all makes it a miss, one that was stale makes it stale.
fn graver(a: Forwarded, b: Forwarded) -> Forwarded {
    let gravity = |why| match why {
        Forwarded::Request => 0,
        Forwarded::Stale => 1,
        Forwarded::UriMiss => 2,
        Forwarded::Bypass => 3,
    };
    if gravity(a) >= gravity(b) { a } else { b }
}

/// The least fresh of the parts' ways, with the least time left or the most time past.
fn found(fetcher: &PartFetcher, slots: &[Slot]) -> Found {
    let mut left = Duration::MAX;
    let mut any_stretched = false;
    let mut revalidating = None;
    let mut instead = None;
    let mut fetched: Option<(Forwarded, bool)> = None;
    let mut stored = true;
    for slot in slots {
        match slot.way {
            Way::Hit { left: this, stretched } => {
                left = left.min(this);
                any_stretched |= stretched;
            }
            Way::Revalidating { past } => revalidating = revalidating.max(Some(past)),
            Way::InsteadOfError { past } => instead = instead.max(Some(past)),
            Way::Fetched { led, why } => {
                match slot.kept.as_ref().map(|kept| fetcher.judge(&slot.key, kept)) {
                    Some(Freshness::Fresh { left: this, .. }) => left = left.min(this),
                    _ => stored = false,
                }
                fetched = Some(match fetched {
                    Some((other, any_led)) => (graver(other, why), any_led || led),
                    None => (why, led),
                });
            }
            Way::Stale | Way::Missing | Way::Unwanted => {}
        }
    }
    match (instead, fetched, revalidating) {
        (Some(past), _, _) => Found::StaleIfError { past },
        (_, Some((forwarded, any_led)), _) => {
            let keeps = |slot: &Slot| slot.kept.as_ref().is_some_and(|kept| fetcher.keeps(&slot.key.shape, kept));
            let kept = slots.iter().all(keeps);
            let forwarded = if kept { forwarded } else { Forwarded::Bypass };
            Found::Fetched { forwarded, collapsed: !any_led, stored: stored.then_some(left) }
        }
        (_, _, Some(past)) => Found::StaleWhileRevalidate { past },
        _ => Found::Hit { left, stretched: any_stretched },
    }
}
