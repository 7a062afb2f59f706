use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::rows::Envelope;
use crate::{
    cache::{Coverage, Entry, Interest, Policy, Stretch, Weigh, entity_tag},
    clock::Moment,
    upstream::Rejection,
};

/// A part with when it was fetched, as it is held and handed around.
pub(super) type Kept = Arc<Entry<Part>>;

/// What is held under a part's key.
pub(super) enum Part {
    /// A whole answer.
    Document {
        /// The vendor's bytes.
        body: Bytes,
        /// Their entity tag.
        etag: Bytes,
        /// Whether no row in it says of itself that it failed.
        succeeded: bool,
    },
    /// One queue's row.
    Row {
        /// The vendor's bytes.
        body: Bytes,
        /// What stood around the row.
        envelope: Arc<Envelope>,
        /// Whether the row says of itself that it succeeded.
        succeeded: bool,
    },
    /// The vendor's answer had no row for this queue.
    Absent {
        /// What stood around the rows of others.
        envelope: Arc<Envelope>,
    },
    /// The vendor refuses this id.
    Refused(Rejection),
}

impl Part {
    /// A whole answer. `succeeded` is false if a row in it says of itself that it failed.
    pub(super) fn document(body: Bytes, succeeded: bool) -> Self {
        Self::Document { etag: entity_tag(&body), body, succeeded }
    }

    /// Its entry, for a call that began at `began`.
    pub(super) fn kept(
        self,
        began: Moment,
        coverage: Option<Coverage>,
        interest: Arc<Interest>,
        stretch: Stretch,
    ) -> Kept {
        Arc::new(Entry::new(self, began, coverage, interest, stretch))
    }

    /// How long it may be served, where `route` is its route's policy and `negative_ttl` the setting: what is not there
    /// is remembered, a row's own failure at most that long, and neither is served stale.
    pub(super) fn policy(&self, route: Policy, negative_ttl: Duration) -> Policy {
        let never_stale = Policy {
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            stretches: false,
            ..route
        };
        let briefly = |ttl| Policy { ttl, ..never_stale };
        match self {
            Self::Document { succeeded: true, .. } | Self::Row { succeeded: true, .. } => route,
            Self::Document { succeeded: false, .. } | Self::Row { succeeded: false, .. } => {
                briefly(route.ttl.min(negative_ttl))
            }
            // Where nothing is kept, what is not there is not either.
            Self::Absent { .. } | Self::Refused(_) if route.ttl.is_zero() => briefly(Duration::ZERO),
            Self::Absent { .. } | Self::Refused(_) => briefly(negative_ttl),
        }
    }

    /// What stands around the rows, if this is one part of many.
    pub(super) fn envelope(&self) -> Option<&Arc<Envelope>> {
        match self {
            Self::Row { envelope, .. } | Self::Absent { envelope } => Some(envelope),
            Self::Document { .. } | Self::Refused(_) => None,
        }
    }
}

impl Weigh for Part {
    fn weight(&self) -> usize {
        match self {
            Self::Document { body, etag, .. } => body.len() + etag.len(),
            // The envelope is shared by the rows of one call; it is counted with each, for a bound that surely holds.
            Self::Row { body, envelope, .. } => body.len() + envelope.weight(),
            Self::Absent { envelope } => envelope.weight(),
            Self::Refused(rejection) => rejection.words.len(),
        }
    }
}
