//! What one try says of the vendor: to the breaker, which asks whether it works at all, and to operators, who ask whether
//! its answers are of use. Pure.

use bytes::Bytes;
use serde::de::IgnoredAny;

use super::{UpstreamError, failure::Failure};
use crate::model::Route;

/// How a try ended.
pub(super) struct Ended<'a> {
    pub(super) read: &'a Result<Bytes, Failure>,
    /// Whether something came back whole, with a status below 500.
    pub(super) answered: bool,
    /// Whether our own time was up before the vendor's.
    pub(super) cut_short: bool,
    /// What came back, if it did so whole.
    pub(super) body: Option<&'a Bytes>,
}

/// `None`: it says nothing of that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// For the breaker: whether the vendor works.
    pub(super) works: Option<bool>,
    /// For operators: whether the call was a good one.
    pub(super) good: Option<bool>,
}

impl Verdict {
    pub(super) fn of(route: Route, ended: &Ended<'_>) -> Self {
        if ended.cut_short {
            return Self { works: None, good: None };
        }
        // Who says no, in JSON or by a status alone, works: it may be about what one caller asked. A page is the word of something
        // that stands before it.
        let said_no = || matches!(ended.read, Err(Failure::Final(UpstreamError::Failed { said_no: true, .. })));
        let is_its_own = |body: &Bytes| is_json(body) || body.is_empty() && said_no();
        let in_its_own_words = || ended.answered && ended.body.is_some_and(is_its_own);
        let (works, good) = match ended.read {
            Ok(_) | Err(Failure::Final(UpstreamError::Rejected(_))) => (true, true),
            // That no token is good, or that it has enough of us, is no vendor to give a pause; but no good call.
            Err(Failure::TokenDead) => (true, false),
            // A 503 with `Retry-After` counts as failed, a 429 does not.
            Err(Failure::Throttled(_)) => (ended.answered, false),
            // What a further route's documents are, nobody promised; one that is odd is no failing vendor.
            Err(Failure::Final(_)) if matches!(route, Route::Further(_)) => (ended.answered, ended.answered),
            Err(Failure::Final(_)) => (in_its_own_words(), false),
            Err(Failure::Passing(_)) => (false, false),
        };
        if route.is_of_account() {
            // A wrong code, an unknown address, one try too many: what one person did.
            let is_about_the_asker = match ended.read {
                Err(Failure::Throttled(_)) => true,
                Err(Failure::Final(UpstreamError::Failed { .. })) => works,
                _ => false,
            };
            return Self { works: None, good: (!is_about_the_asker).then_some(good) };
        }
        Self { works: Some(works), good: Some(good) }
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NO: &str = r#"{"success":false,"message":"Invalid OTP"}"#;

    fn of(
        route: Route,
        read: Result<Bytes, Failure>,
        answered: bool,
        body: &'static str,
    ) -> (Option<bool>, Option<bool>) {
        let body = Bytes::from_static(body.as_bytes());
        let Verdict { works, good } =
            Verdict::of(route, &Ended { read: &read, answered, cut_short: false, body: Some(&body) });
        (works, good)
    }

    fn failed(said_no: bool) -> Result<Bytes, Failure> {
        Err(Failure::Final(UpstreamError::Failed { code: None, said_no }))
    }

    #[test]
    fn a_vendor_that_says_no_in_json_works_and_a_page_before_it_says_otherwise() {
        assert_eq!(of(Route::Organization, failed(true), true, NO), (Some(true), Some(false)));
        assert_eq!(of(Route::Organization, failed(true), true, ""), (Some(true), Some(false)));
        let empty = Err(Failure::Final(UpstreamError::InvalidResponse("it is not a JSON object")));
        assert_eq!(of(Route::Organization, empty, true, ""), (Some(false), Some(false)));
        assert_eq!(of(Route::Organization, failed(true), true, "<html>"), (Some(false), Some(false)));
        assert_eq!(of(Route::Organization, failed(true), true, "{\"success\":"), (Some(false), Some(false)));
        assert_eq!(of(Route::Organization, failed(false), false, NO), (Some(false), Some(false)));
        let timeout = Err(Failure::Final(UpstreamError::Timeout));
        assert_eq!(of(Route::Organization, timeout, false, ""), (Some(false), Some(false)));
    }

    #[test]
    fn a_try_for_which_we_had_too_little_time_says_nothing() {
        let read = Err(Failure::Final(UpstreamError::Crowded));
        let ended = Ended { read: &read, answered: false, cut_short: true, body: None };
        assert_eq!(Verdict::of(Route::Questions, &ended), Verdict { works: None, good: None });
    }

    #[test]
    fn a_vendor_that_takes_no_token_or_asks_for_patience_works_and_helps_nobody() {
        assert_eq!(of(Route::Questions, Err(Failure::TokenDead), true, ""), (Some(true), Some(false)));
        let throttled = Err(Failure::Throttled(Duration::ZERO));
        assert_eq!(of(Route::Questions, throttled, true, ""), (Some(true), Some(false)));
    }

    #[test]
    fn what_comes_of_a_password_change_is_nothing_to_the_breaker() {
        for route in [Route::Reset, Route::Verify] {
            assert_eq!(of(route, Ok(Bytes::new()), true, ""), (None, Some(true)));
            assert_eq!(of(route, failed(true), true, NO), (None, None));
            assert_eq!(of(route, failed(false), false, NO), (None, Some(false)));
            assert_eq!(of(route, Err(Failure::TokenDead), true, ""), (None, Some(false)));
            let throttled = Err(Failure::Throttled(Duration::ZERO));
            assert_eq!(of(route, throttled, true, ""), (None, None));
        }
    }
}
