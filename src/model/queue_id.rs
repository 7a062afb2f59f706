use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A queue's id at the vendor: 1 to 128 characters, none of them a control character. The vendor's own are UUIDs,
/// but its reference nowhere says that they must be.
///
/// Compared letter for letter: `AB` and `ab` are two ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueId(Arc<str>);

/// What is wrong with a text that should name a queue.
#[derive(Debug, thiserror::Error)]
#[error("a queue id is 1 to 128 characters without control characters")]
pub struct InvalidQueueId;

impl QueueId {
    /// How many characters it has at most.
    pub const MAX_CHARS: usize = 128;

    /// What every id matches (ECMA-262): no control character, which are C0, DEL and C1.
    pub const PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";

    /// Bytes that it takes in memory: the text, the counts beside it, the pointer to both and the rounding of the allocation.
    pub fn weight(&self) -> usize {
        self.0.len() + 48
    }

    /// The id as the caller wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for QueueId {
    type Error = InvalidQueueId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.chars().count() > Self::MAX_CHARS || text.chars().any(char::is_control) {
            return Err(InvalidQueueId);
        }
        Ok(Self(text.into()))
    }
}

impl From<QueueId> for String {
    fn from(id: QueueId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
