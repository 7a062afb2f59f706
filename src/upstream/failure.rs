use std::time::Duration;

use bytes::Bytes;

use super::UpstreamError;
use crate::telemetry::CallOutcome;

/// Why a try gave no answer, and whether another may.
pub(super) enum Failure {
    Passing(UpstreamError),
    Final(UpstreamError),
    TokenDead,
    Throttled(Duration),
}

/// Returns how a try ended.
pub(super) fn outcome(read: &Result<Bytes, Failure>) -> CallOutcome {
    use UpstreamError as E;
    match read {
        Ok(_) => CallOutcome::Ok,
        Err(Failure::TokenDead) => CallOutcome::TokenDead,
        Err(Failure::Throttled(_)) => CallOutcome::RateLimited,
        Err(Failure::Passing(error) | Failure::Final(error)) => match error {
            E::Rejected(_) => CallOutcome::Rejected,
            E::Unreachable => CallOutcome::Unreachable,
            E::InvalidResponse(_) => CallOutcome::InvalidResponse,
            E::Timeout => CallOutcome::Timeout,
            E::Failed { .. } | E::LoginFailed { .. } | E::TargetRefused { .. } | E::RateLimited { .. } => {
                CallOutcome::Failed
            }
            E::Crowded | E::BudgetExhausted { .. } | E::CircuitOpen { .. } => CallOutcome::NotSent,
        },
    }
}
