use std::time::Duration;

use serde::Serialize;

use super::{BreakerState, LoginStanding, LoginState, Vendor, Wesal, streak::FailingStanding};
use crate::telemetry::CallOutcome;

/// How the vendor's side stands, for operators. Times are in whole seconds, rounded up.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VendorStanding {
    /// The service login.
    pub login: LoginTold,
    /// The circuit breaker.
    pub breaker: BreakerTold,
    /// How the last calls went.
    pub calls: CallsTold,
    /// The calls that may be made.
    pub budget: BudgetTold,
    /// How long the vendor asked to be left alone yet, if it did; logins and account routes apart.
    pub paused_for: Option<u64>,
    /// The routes of targets that the vendor refuses to our account.
    pub barred: Vec<BarredTold>,
}

/// The service login, without anything secret.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginTold {
    /// As in the metric `login_state`.
    pub state: LoginState,
    /// While a token still works: `refused` or `failed` if that is how the last login ended.
    pub setback: Option<LoginState>,
    /// Until the next try, after one that brought no token.
    pub next_try_in: Option<u64>,
    /// Until the token's end, where that is known.
    pub token_ends_in: Option<u64>,
}

/// The circuit breaker.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakerTold {
    /// As in the metric `breaker_state`.
    pub state: BreakerState,
    /// Until a probe is let through, while it is not closed.
    pub probe_in: Option<u64>,
}

/// How the last calls went, logins apart. Times are in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallsTold {
    /// Since the last good one, if there was one.
    pub last_good_for: Option<f64>,
    /// Those since then, if they failed.
    pub failing: Option<FailingTold>,
}

/// Calls that failed one after the other.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FailingTold {
    /// Since the first of them.
    pub since: f64,
    /// Since the last of them.
    pub last: f64,
    /// How many.
    pub calls: u64,
    /// How the last one ended, as in the metric `vendor_calls_total`.
    pub outcome: CallOutcome,
}

/// What is left of `upstream.rate_limit`.
#[derive(Clone, Debug, Serialize)]
pub struct BudgetTold {
    /// Calls that may be made at once now.
    pub remaining: u32,
    /// The same at best.
    pub burst: u32,
}

/// A route with targets in backoff.
#[derive(Clone, Debug, Serialize)]
pub struct BarredTold {
    /// Its template.
    pub route: &'static str,
    /// For how long yet.
    pub seconds: u64,
}

impl Wesal {
    /// While a token still works: why none will follow it, as the last login was refused or failed.
    pub fn login_setback(&self) -> Option<LoginState> {
        self.login.standing().setback
    }

    /// Whether the vendor, which takes the login, lately refused what it brought on some route.
    pub fn refuses_a_route(&self) -> bool {
        self.targets.lock().is_any_refused(self.clock.now())
    }

    /// How the vendor's side stands now.
    pub fn standing(&self) -> VendorStanding {
        let now = self.clock.now();
        let LoginStanding { state, setback, next_try, expires } = self.login.standing();
        let breaker = BreakerTold { state: self.gate.breaker_state(), probe_in: self.gate.probe_in().map(seconds) };
        let streak = self.streak.lock().at(now);
        let failing = |failing: FailingStanding| FailingTold {
            since: failing.since.as_secs_f64(),
            last: failing.last.as_secs_f64(),
            calls: failing.calls,
            outcome: failing.why,
        };
        let budget = self.budget();
        let paused = self.gate.data_pause();
        let barred = self.targets.lock().refused_routes(now);
        VendorStanding {
            login: LoginTold {
                state,
                setback,
                next_try_in: next_try.map(seconds),
                token_ends_in: expires.map(seconds),
            },
            breaker,
            calls: CallsTold {
                last_good_for: streak.last_good.map(|length| length.as_secs_f64()),
                failing: streak.failing.map(failing),
            },
            budget: BudgetTold { remaining: budget.remaining, burst: budget.burst },
            paused_for: (!paused.is_zero()).then(|| seconds(paused)),
            barred: barred
                .into_iter()
                .map(|(route, left)| BarredTold { route: route.template(), seconds: seconds(left) })
                .collect(),
        }
    }
}

fn seconds(length: Duration) -> u64 {
    length.as_secs() + u64::from(length.subsec_nanos() > 0)
}
