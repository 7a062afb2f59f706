use std::collections::HashSet;

use crate::model::{PartId, QueueId};

/// The parts of a query for `queues`: one part for all of them if they are `whole_for_now`.
pub(super) fn parts_of(queues: &[QueueId], whole_for_now: bool) -> Vec<PartId> {
    match queues {
        [] => vec![PartId::Document],
        _ if whole_for_now => vec![whole(queues)],
        queues => once_each(queues).map(PartId::Queue).collect(),
    }
}

/// The ids that were asked for, in their order, each once.
pub(super) fn once_each(queues: &[QueueId]) -> impl Iterator<Item = QueueId> {
    let mut seen = HashSet::new();
    queues.iter().filter(move |id| seen.insert(*id)).cloned()
}

/// All its queues as one part.
pub(super) fn whole(queues: &[QueueId]) -> PartId {
    PartId::Set(once_each(queues).collect())
}
