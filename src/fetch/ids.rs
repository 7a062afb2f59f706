use std::collections::HashSet;

use crate::model::{PartId, Query, QueueId};

/// The parts of a query, its queues being taken together where they are `whole_for_now`.
pub(super) fn parts_of(query: &Query, whole_for_now: bool) -> Vec<PartId> {
    match query.queues() {
        [] => vec![PartId::Document],
        _ if whole_for_now => vec![whole(query)],
        queues => once_each(queues).map(PartId::Queue).collect(),
    }
}

/// The ids that were asked for, in their order, each once.
fn once_each(queues: &[QueueId]) -> impl Iterator<Item = QueueId> {
    let mut seen = HashSet::new();
    queues.iter().filter(move |id| seen.insert(*id)).cloned()
}

/// All its queues as one part.
pub(super) fn whole(query: &Query) -> PartId {
    PartId::Set(once_each(query.queues()).collect())
}
