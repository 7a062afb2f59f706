use std::time::Duration;

use bytes::Bytes;

use super::UpstreamError;

/// Why a try gave no answer, and whether another may.
pub(super) enum Failure {
    Passing(UpstreamError),
    Final(UpstreamError),
    TokenDead,
    Throttled(Duration),
}

/// In the metrics' words, a try for which the request had less time left than a try may take, and that did not do with it.
pub(super) const CUT_SHORT: &str = "cut_short";

/// How a try ended, in the metrics' words.
pub(super) fn outcome(read: &Result<Bytes, Failure>) -> &'static str {
    use UpstreamError as E;
    match read {
        Ok(_) => "ok",
        Err(Failure::TokenDead) => "token_dead",
        Err(Failure::Throttled(_)) => "rate_limited",
        Err(Failure::Passing(error) | Failure::Final(error)) => match error {
            E::Rejected(_) => "rejected",
            E::Unreachable => "unreachable",
            E::InvalidResponse(_) => "invalid_response",
            E::Timeout => "timeout",
            E::Failed { .. } | E::LoginFailed { .. } | E::TargetRefused { .. } | E::RateLimited { .. } => "failed",
            E::Crowded | E::BudgetExhausted { .. } | E::CircuitOpen { .. } => "not_sent",
        },
    }
}
