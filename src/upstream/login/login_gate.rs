//! The login gate: limits logins whose tokens the vendor refuses immediately. Pure: moments are arguments.

use std::time::Duration;

use crate::clock::Moment;

const MIN_WAIT: Duration = Duration::from_secs(2);
const MAX_WAIT: Duration = Duration::from_secs(300);

/// How long the next login waits after one whose token was refused immediately.
#[derive(Default)]
pub(super) struct LoginGate {
    wait: Duration,
    /// The last login whose token was judged. Each counts once.
    judged: u64,
    /// Tokens accepted in a row by the calls for which they came.
    accepted: u32,
    /// The last login whose token any call was accepted with.
    proven: u64,
    closed_until: Moment,
}

impl LoginGate {
    /// Returns until when no login may begin for a target that never accepted a token.
    pub(super) fn closed_until(&self, now: Moment) -> Option<Moment> {
        Some(self.closed_until).filter(|until| *until > now)
    }

    /// Returns whether any call was accepted with the token of `generation`.
    pub(super) fn is_proven(&self, generation: u64) -> bool {
        self.proven >= generation
    }

    /// Notes that the token of `generation`, of a login that ended at `landed`, was refused immediately.
    pub(super) fn refused(&mut self, generation: u64, landed: Moment) {
        if generation > self.judged {
            self.judged = generation;
            self.accepted = 0;
            self.wait = self.wait.saturating_mul(2).clamp(MIN_WAIT, MAX_WAIT);
            self.closed_until = landed.after(self.wait);
        }
    }

    /// Notes that the token of `generation` was accepted; `renewed` says whether it came for this call. Only that
    /// shortens the waits: what other targets accept says nothing of refused ones.
    pub(super) fn accepted(&mut self, generation: u64, renewed: bool) {
        self.proven = self.proven.max(generation);
        if renewed && generation > self.judged {
            self.judged = generation;
            self.accepted = self.accepted.saturating_add(1);
            if self.accepted >= 2 {
                (self.wait, self.closed_until) = Default::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn login_gate_admits_at_most_9_logins_in_10_minutes() {
        let mut gate = LoginGate::default();
        let (mut generation, mut logins) = (0, Vec::new());
        for now in 0..600 {
            if gate.closed_until(at(now)).is_none() {
                generation += 1;
                logins.push(now);
                gate.refused(generation, at(now));
                gate.refused(generation, at(now));
            }
        }
        assert_eq!(logins, [0, 2, 6, 14, 30, 62, 126, 254, 510]);
    }

    #[test]
    fn login_gate_resets_after_two_accepted_tokens() {
        let mut gate = LoginGate::default();
        gate.refused(1, at(0));
        gate.refused(2, at(2));
        gate.accepted(3, false);
        gate.accepted(3, true);
        gate.accepted(3, true);
        assert_eq!(gate.closed_until(at(3)), Some(at(6)));
        gate.accepted(4, true);
        assert_eq!(gate.closed_until(at(3)), None);
        gate.refused(5, at(10));
        assert_eq!(gate.closed_until(at(10)), Some(at(12)));
    }
}
