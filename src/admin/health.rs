//! How all stands in one sentence, and in one more for each thing that somebody should know. Pure: the words are worked
//! out here, so that the dashboard, `/admin/status` and whoever reads them say the same.

use serde::Serialize;

use crate::{
    http::{Lifecycle, warnings::Warning},
    telemetry::CallOutcome,
    upstream::{BreakerState, FailingTold, LoginState, VendorStanding},
};

/// How all stands.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct HealthSummary {
    /// Of the worst note.
    level: Level,
    /// The worst note, or that all is well.
    says: String,
    /// All notes, the worst first.
    notes: Vec<Note>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Note {
    level: Level,
    says: String,
    /// What follows from it, or what to do.
    more: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Good,
    /// Somebody should see to it; callers are answered, but for a few at most.
    Warning,
    /// Callers get errors or old answers, or soon will.
    Bad,
}

/// What it is worked out from.
pub(super) struct HealthInputs<'a> {
    pub(super) lifecycle: Lifecycle,
    pub(super) vendor: &'a VendorStanding,
    /// Whether anything is held that may be served.
    pub(super) servable: bool,
    /// The active warnings, as `/readyz` reports them.
    pub(super) warnings: &'a [Warning],
    pub(super) stretch: f64,
    /// Requests that are worked on.
    pub(super) in_flight: usize,
    /// Whether no more of them have room.
    pub(super) is_full: bool,
    /// Requests of the last minute.
    pub(super) requests: u64,
    /// Those that were answered with a failure (5xx).
    pub(super) failed: u64,
    /// Those that were refused (4xx).
    pub(super) refused: u64,
}

/// Failed calls in a row from which on the vendor is said to be down: fewer are told as what they are.
const MIN_CONSECUTIVE_FAILURES: u64 = 3;
/// From this share of a minute's answers on, one in so many, failures are trouble.
const FAILURE_RATIO_DIVISOR: u64 = 10;
/// Refusals below which nothing is made of them: who writes an app gets some.
const MIN_REFUSALS: u64 = 10;
/// Seconds after which a vendor that nobody has asked since is not said to be down, but to have been.
const RECENT_SECONDS: f64 = 60.0;

impl HealthSummary {
    pub(super) fn of(facts: &HealthInputs<'_>) -> Self {
        let mut notes: Vec<Note> =
            [ending(facts), login(facts), calls(facts), pause(facts), budget(facts), barred(facts), room(facts)]
                .into_iter()
                .flatten()
                .collect();
        notes.extend([failures(facts), refusals(facts)].into_iter().flatten());
        // What `barred` has said in more words.
        let is_told = |warning: &&Warning| !facts.vendor.barred.is_empty() && **warning == Warning::RouteRefused;
        notes.extend(facts.warnings.iter().filter(|warning| !is_told(warning)).map(|warning| warning_note(*warning)));
        // Among equals the order above stands.
        notes.sort_by_key(|note| std::cmp::Reverse(note.level));
        let (level, says) = match notes.first() {
            None => (Level::Good, "All is well".to_owned()),
            Some(worst) => (worst.level, worst.says.clone()),
        };
        Self { level, says, notes }
    }
}

fn note(level: Level, says: impl Into<String>, more: impl Into<String>) -> Option<Note> {
    Some(Note { level, says: says.into(), more: more.into() })
}

fn ending(facts: &HealthInputs<'_>) -> Option<Note> {
    match facts.lifecycle {
        Lifecycle::Serving => None,
        Lifecycle::Draining | Lifecycle::Ended => {
            let more = format!(
                "{} still worked on; then the process ends.",
                counted(facts.in_flight as u64, "request is", "requests are")
            );
            note(Level::Bad, "The gateway is draining", more)
        }
    }
}

fn login(facts: &HealthInputs<'_>) -> Option<Note> {
    let login = &facts.vendor.login;
    let next =
        |or: &str| login.next_try_in.map_or(or.to_owned(), |seconds| format!("The next try is in {}", time(seconds)));
    let caller_impact = caller_impact(facts);
    match login.state {
        LoginState::Refused => note(
            Level::Bad,
            format!("Wesal refuses the service login: {caller_impact}"),
            format!(
                "Check the client id, the email and the password. {}, or at once when they change.",
                next("It is tried again")
            ),
        ),
        LoginState::Failed => {
            note(Level::Bad, format!("Logging in at Wesal fails: {caller_impact}"), next("It is tried again") + ".")
        }
        LoginState::Absent | LoginState::LoggingIn => {
            note(Level::Warning, "The gateway is not logged in at Wesal yet", "It is being tried.")
        }
        LoginState::Good => None,
    }
}

/// What callers get while the vendor is of no help.
fn caller_impact(facts: &HealthInputs<'_>) -> &'static str {
    if facts.servable { "serving what is held" } else { "callers get errors" }
}

fn calls(facts: &HealthInputs<'_>) -> Option<Note> {
    let VendorStanding { breaker, paused_for, barred, .. } = facts.vendor;
    // What `pause` and `barred` tell in better words.
    let is_told = |failing: &FailingTold| match failing.outcome {
        CallOutcome::RateLimited => paused_for.is_some(),
        CallOutcome::TokenDead => failing.calls < MIN_CONSECUTIVE_FAILURES && !barred.is_empty(),
        _ => false,
    };
    let failing = facts.vendor.calls.failing.filter(|failing| !is_told(failing));
    let caller_impact = caller_impact(facts);
    let open = breaker.state != BreakerState::Closed;
    let Some(failing) = failing else {
        // It opened, and a straggler has come back well since.
        return open
            .then(|| note(Level::Bad, format!("The circuit breaker is open: {caller_impact}"), probe(facts)))
            .flatten();
    };
    let is = match failing.outcome {
        CallOutcome::Unreachable | CallOutcome::Timeout => "not answering",
        _ => "failing",
    };
    let seconds = |seconds: f64| time(seconds.max(0.0).ceil() as u64);
    let many = counted(failing.calls, "call has", "calls have");
    let more = format!(
        "{many} failed in {}, the last one: {}. {}",
        seconds(failing.since),
        failing.outcome.as_str(),
        probe(facts)
    );
    match (open || failing.calls >= MIN_CONSECUTIVE_FAILURES, failing.last <= RECENT_SECONDS) {
        (true, true) => note(Level::Bad, format!("Wesal is {is}: {caller_impact}"), more),
        (true, false) => note(
            Level::Warning,
            format!("Wesal was {is} when it was last asked, {} ago", seconds(failing.last)),
            format!("{many} failed then. The next request that needs it will tell."),
        ),
        (false, true) => note(Level::Warning, "The last call to Wesal failed", more),
        (false, false) => None,
    }
}

fn probe(facts: &HealthInputs<'_>) -> String {
    let breaker = &facts.vendor.breaker;
    match (breaker.state, breaker.probe_in) {
        (BreakerState::Open, Some(seconds)) if seconds > 0 => {
            format!("The next call is let through in {}.", time(seconds))
        }
        (BreakerState::Open, _) => "The next call is let through.".to_owned(),
        (BreakerState::HalfOpen, _) => "One call is trying it.".to_owned(),
        (BreakerState::Closed, _) => "It is asked as before.".to_owned(),
    }
}

fn pause(facts: &HealthInputs<'_>) -> Option<Note> {
    let seconds = facts.vendor.paused_for?;
    let says = format!("Wesal asked to be left alone for {} more: {}", time(seconds), caller_impact(facts));
    note(if facts.servable { Level::Warning } else { Level::Bad }, says, "It answered 429.")
}

fn budget(facts: &HealthInputs<'_>) -> Option<Note> {
    let budget = &facts.vendor.budget;
    if budget.remaining == 0 {
        // Its calls come back one by one: those who are refused all the same are told as failures.
        let held = if facts.servable { "Answers that are held are served; other callers" } else { "Callers" };
        let more = format!("{held} wait, and are refused if that takes too long (upstream.rate_limit).");
        return note(Level::Warning, "The budget of calls to Wesal is spent", more);
    }
    if facts.stretch > 1.0 {
        let more = format!("Answers stay fresh {:.1} times as long (upstream.rate_limit).", facts.stretch);
        return note(Level::Warning, "The budget of calls to Wesal runs low", more);
    }
    None
}

fn barred(facts: &HealthInputs<'_>) -> Option<Note> {
    let barred = &facts.vendor.barred;
    let first = barred.first()?;
    let routes = counted(barred.len() as u64, "route", "routes");
    let more =
        format!("{} is asked again in {}. Ask Wesal for the account's rights.", first.route, time(first.seconds));
    note(Level::Warning, format!("Wesal refuses {routes} to the gateway's account"), more)
}

fn room(facts: &HealthInputs<'_>) -> Option<Note> {
    let more = format!(
        "{} worked on, which is all that limits.max_in_flight allows.",
        counted(facts.in_flight as u64, "request is", "requests are")
    );
    facts.is_full.then(|| note(Level::Bad, "There is no room for more requests", more)).flatten()
}

fn failures(facts: &HealthInputs<'_>) -> Option<Note> {
    let HealthInputs { failed, requests, .. } = *facts;
    let says = format!("{} of the last minute told callers of a failure", counted(failed, "answer", "answers"));
    let more = format!("There were {requests} in all. The recent errors say which failed.");
    let many = failed >= MIN_CONSECUTIVE_FAILURES && failed.saturating_mul(FAILURE_RATIO_DIVISOR) >= requests;
    (failed > 0).then(|| note(if many { Level::Bad } else { Level::Warning }, says, more)).flatten()
}

fn refusals(facts: &HealthInputs<'_>) -> Option<Note> {
    let HealthInputs { refused, requests, .. } = *facts;
    let most = refused >= MIN_REFUSALS && refused > requests / 2;
    let more = format!("{refused} of {requests} (4xx). The recent errors say whose, and why.");
    most.then(|| note(Level::Warning, "Most requests of the last minute were refused", more)).flatten()
}

fn warning_note(warning: Warning) -> Note {
    let says = match warning {
        Warning::ConfigurationRefused => "The configuration was not taken over",
        Warning::LoginRefused | Warning::LoginFailing => "Somebody should see to the service login",
        Warning::RouteRefused => "Wesal lately refused a route to the gateway's account",
        Warning::CertificateRefused | Warning::CertificateValidity(_) => "Somebody should see to the certificate",
    };
    Note { level: Level::Warning, says: says.to_owned(), more: sentence(warning.detail()) }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests;
