use super::{
    assemble::Slot,
    lanes::Lost,
    part::Part,
    served::{Failure, FetchError},
};
use crate::{
    model::{PartId, QueueId},
    upstream::Effort,
};

/// Why a question has no answer.
pub(super) enum Unanswered {
    Failed(Failure),
    /// The rows cannot be told apart: ask for the whole.
    NotTakenApart,
}

/// One refused part refuses the query. A queue's places are told as the caller counts them.
pub(super) fn refusal(asked: &[QueueId], slots: &[Slot], effort: Effort) -> Result<(), Unanswered> {
    let mut rejection = None;
    let mut queues = Vec::new();
    for slot in slots.iter().filter(|slot| !slot.must_be_fetched()) {
        let Some(Part::Refused(why)) = slot.kept.as_ref().map(|kept| &kept.content) else { continue };
        rejection.get_or_insert_with(|| why.clone());
        if let PartId::Queue(refused) = &slot.key.part {
            queues.extend(asked.iter().enumerate().filter(|(_, queue)| *queue == refused).map(|(i, _)| i));
        }
    }
    match rejection {
        None => Ok(()),
        Some(rejection) => {
            Err(Unanswered::Failed(Failure { error: FetchError::Refused { rejection, queues }, effort }))
        }
    }
}

/// A fetch that should have brought it did not end.
pub(super) fn lost() -> Failure {
    Failure { error: FetchError::Lost(Lost), effort: Effort::default() }
}
