//! What a row of the catalogue says.

use crate::harness::Act;

/// One thing that the vendor does, and what comes of it.
pub struct Row {
    /// What it does, as the page says it.
    pub name: String,
    pub trouble: Trouble,
    pub fate: Fate,
    /// What callers are told in so many words, if that matters.
    pub shows: &'static str,
    /// Whether a crowd meets with it too.
    pub by_a_crowd: bool,
}

/// How the vendor's calls go wrong.
#[derive(Clone)]
pub enum Trouble {
    /// Every time.
    Always(Act),
    /// The first time only.
    Once(Act),
    /// There is nobody.
    Refused,
}

/// What comes of one question.
#[derive(Clone, Copy)]
pub struct Fate {
    pub status: u16,
    /// Empty where there is an answer.
    pub code: &'static str,
    pub wesal_code: Option<&'static str>,
    /// The vendor's calls by how the metrics count them.
    pub calls: Calls,
    pub with_stale: WithStale,
    pub kept: Kept,
    /// In seconds, where the vendor's word decides it.
    pub retry_after: Option<u64>,
}

pub type Calls = &'static [(&'static str, u64)];

/// What callers get while a stale answer is held.
#[derive(Clone, Copy, PartialEq)]
pub enum WithStale {
    /// It.
    OldAnswer,
    /// The same as without it: the vendor refuses the request itself.
    Refusal,
    /// What the vendor answered.
    NewAnswer,
}

/// What is remembered.
#[derive(Clone, Copy, PartialEq)]
pub enum Kept {
    Nothing,
    Refusal,
    Answer,
    Absence,
}

impl Row {
    pub fn new(name: impl Into<String>, trouble: Trouble, fate: Fate) -> Self {
        Self { name: name.into(), trouble, fate, shows: "", by_a_crowd: true }
    }

    pub fn always(name: impl Into<String>, act: Act, fate: Fate) -> Self {
        Self::new(name, Trouble::Always(act), fate)
    }

    pub fn once(name: impl Into<String>, act: Act, fate: Fate) -> Self {
        Self::new(name, Trouble::Once(act), fate)
    }

    /// Its answer holds this.
    pub fn shows(self, shows: &'static str) -> Self {
        Self { shows, ..self }
    }
}

impl Fate {
    /// The vendor fails: nothing is kept, and what is stale stands in.
    const fn failure(status: u16, code: &'static str, calls: Calls) -> Self {
        Self {
            status,
            code,
            wesal_code: None,
            calls,
            with_stale: WithStale::OldAnswer,
            kept: Kept::Nothing,
            retry_after: None,
        }
    }

    /// The vendor answers after all.
    const fn answer(calls: Calls) -> Self {
        Self { with_stale: WithStale::NewAnswer, kept: Kept::Answer, ..Self::failure(200, "", calls) }
    }

    /// The vendor refuses the request itself. Both queues are asked for together, then each alone.
    pub const fn rejected(status: u16, wesal_code: Option<&'static str>) -> Self {
        let failure = Self::failure(status, "upstream_rejected", &[("rejected", 3)]);
        Self { wesal_code, with_stale: WithStale::Refusal, kept: Kept::Refusal, ..failure }
    }

    /// The vendor asks for patience, longer than a request may wait.
    pub const fn throttled(seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::failure(503, "upstream_rate_limited", &[("rate_limited", 1)]) }
    }
}

/// Whether time must pass before such calls have ended.
pub fn takes_time(calls: Calls) -> bool {
    let waits = |(outcome, count): &(&str, u64)| match *outcome {
        "unreachable" | "timeout" | "rate_limited" => true,
        "failed" => *count > 1 || calls.len() > 1,
        _ => false,
    };
    calls.iter().any(waits)
}

pub const UNREACHABLE: Fate = Fate::failure(502, "upstream_unreachable", &[("unreachable", 3)]);
pub const TIMEOUT: Fate = Fate::failure(504, "upstream_timeout", &[("timeout", 1)]);
pub const INVALID: Fate = Fate::failure(502, "upstream_invalid_response", &[("invalid_response", 1)]);
/// The call itself was in order.
pub const NOT_FOR_US: Fate = Fate::failure(502, "upstream_invalid_response", &[("ok", 1)]);
pub const FAILED: Fate = Fate::failure(502, "upstream_error", &[("failed", 1)]);
pub const FAILED_THREE_TIMES: Fate = Fate::failure(502, "upstream_error", &[("failed", 3)]);
/// Both queues with the old token and with a new one, then each alone.
pub const LOGIN_FAILED: Fate = Fate::failure(503, "upstream_login_failed", &[("token_dead", 4)]);
pub const ANSWERED: Fate = Fate::answer(&[("ok", 1)]);
/// Its rows cannot be told apart: it is asked for once more, as a whole.
pub const ANSWERED_AS_A_WHOLE: Fate = Fate::answer(&[("ok", 2)]);
pub const ABSENT: Fate = Fate { kept: Kept::Absence, ..ANSWERED };
pub const ANSWERED_AFTER_A_FAILURE: Fate = Fate::answer(&[("failed", 1), ("ok", 1)]);
pub const ANSWERED_AFTER_A_CUT: Fate = Fate::answer(&[("unreachable", 1), ("ok", 1)]);
pub const ANSWERED_AFTER_A_LOGIN: Fate = Fate::answer(&[("token_dead", 1), ("ok", 1)]);
/// A wait that fits into a request, once.
pub const THROTTLED_TWICE: Fate =
    Fate { retry_after: Some(2), ..Fate::failure(503, "upstream_rate_limited", &[("rate_limited", 2)]) };
