use std::collections::VecDeque;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;

/// The errors of late, for operators. One that comes again in all but its time and its request is the same error: so a
/// flood of one kind pushes no other out.
#[derive(Default)]
pub(crate) struct RecentErrors(Mutex<VecDeque<RecentError>>);

/// An error that a caller was told. Nothing of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecentError {
    /// The last time.
    pub at: Timestamp,
    /// Of the last time.
    pub request_id: String,
    /// The template, or `other`.
    pub route: &'static str,
    /// As the caller was told.
    pub code: &'static str,
    /// As the caller was told.
    pub status: u16,
    /// `-` when unknown.
    pub caller: String,
    /// How often it came, as long as it is remembered.
    pub times: u64,
}

const MOST: usize = 50;

impl RecentErrors {
    /// Remembers one.
    pub(crate) fn add(&self, mut error: RecentError) {
        let mut all = self.0.lock();
        let kind = |e: &RecentError| (e.code, e.route, e.status);
        if let Some(place) = all.iter().position(|e| kind(e) == kind(&error) && e.caller == error.caller)
            && let Some(same) = all.remove(place)
        {
            error.times = error.times.saturating_add(same.times);
        }
        all.push_front(error);
        all.truncate(MOST);
    }

    /// All of them, the newest first.
    pub(crate) fn all(&self) -> Vec<RecentError> {
        self.0.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(second: i64, caller: &str) -> RecentError {
        RecentError {
            at: Timestamp::from_second(second).unwrap(),
            request_id: second.to_string(),
            route: "other",
            code: "not_found",
            status: 404,
            caller: caller.to_owned(),
            times: 1,
        }
    }

    #[test]
    fn the_last_are_remembered_and_one_that_comes_again_takes_no_place() {
        let errors = RecentErrors::default();
        (0..100).for_each(|n| errors.add(error(n, &n.to_string())));
        (100..200).for_each(|n| errors.add(error(n, "app")));
        let all = errors.all();
        assert_eq!(all.len(), MOST);
        assert_eq!(all[0], RecentError { times: 100, ..error(199, "app") });
        assert_eq!((all[1].caller.as_str(), all[49].caller.as_str()), ("99", "51"));
    }
}
