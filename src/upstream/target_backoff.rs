//! Targets for which the vendor refuses a new token too (7.6). Pure: `now` is an argument.

use std::{collections::HashMap, time::Duration};

use super::vendor::TargetState;
use crate::{
    clock::Moment,
    model::{QueueId, Route, Shape},
};

const MIN_BACKOFF: Duration = Duration::from_secs(2);
const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// Targets that are remembered. Beyond it, the target that was used least recently is forgotten.
const MAX_TARGETS: usize = 4096;
/// How long a refused target is reported that no request asks for.
const REPORTED: Duration = Duration::from_secs(300);

/// What the vendor grants rights for: a company, a queue, or else a path, each of one route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    route: Route,
    name: Box<str>,
}

impl Target {
    pub(super) fn queue(route: Route, queue: &QueueId) -> Self {
        Self { route, name: queue.as_str().into() }
    }
}

/// The targets of one call: its queues, or the one target of a document.
pub(super) struct Targets(Vec<Target>);

impl Targets {
    pub(super) fn of(shape: &Shape, queues: &[QueueId]) -> Self {
        let route = shape.route();
        if !queues.is_empty() {
            return Self(queues.iter().map(|queue| Target::queue(route, queue)).collect());
        }
        let company = shape.company().filter(|_| !matches!(route, Route::Further(_)));
        let name = company.map_or_else(|| shape.target().into(), |company| company.to_string().into());
        Self(vec![Target { route, name }])
    }
}

/// What is known of each target, within a bound.
#[derive(Default)]
pub(super) struct TargetBackoff {
    known: HashMap<Target, Known>,
    uses: u64,
}

struct Known {
    /// The login whose token it accepted last.
    accepted: Option<u64>,
    refused: Option<Refused>,
    last_use: u64,
}

struct Refused {
    until: Moment,
    wait: Duration,
}

impl TargetBackoff {
    /// Returns how long the only target of a call is not to be asked for.
    pub(super) fn backoff(&self, targets: &Targets, now: Moment) -> Option<Duration> {
        let [target] = targets.0.as_slice() else { return None };
        match self.state(target, now) {
            TargetState::Backoff(left) => Some(left),
            TargetState::Allowed | TargetState::Suspect => None,
        }
    }

    pub(super) fn state(&self, target: &Target, now: Moment) -> TargetState {
        match self.known.get(target).and_then(|known| known.refused.as_ref()) {
            None => TargetState::Allowed,
            Some(refused) if refused.until <= now => TargetState::Suspect,
            Some(refused) => TargetState::Backoff(refused.until.since(now)),
        }
    }

    /// Returns the last login whose token each of the targets accepted, or a later one.
    pub(super) fn accepted(&self, targets: &Targets) -> Option<u64> {
        // `None` is less than any login.
        targets.0.iter().map(|target| self.known.get(target).and_then(|known| known.accepted)).min().flatten()
    }

    /// Notes that the targets accepted the token of `generation`.
    pub(super) fn accept(&mut self, targets: &Targets, generation: u64) {
        for target in &targets.0 {
            let known = self.entry(target);
            (known.accepted, known.refused) = (Some(generation), None);
        }
    }

    /// Forgets that the targets accepted a token, as they refused a newer one that came for them.
    pub(super) fn forget_accepted(&mut self, targets: &Targets) {
        for target in &targets.0 {
            self.known.get_mut(target).into_iter().for_each(|known| known.accepted = None);
        }
    }

    /// Notes that the targets refuse the newest token there may be, and returns how long to wait. Which one of several is
    /// refused is not known, and is not noted.
    pub(super) fn refuse(&mut self, targets: &Targets, now: Moment) -> Duration {
        let [target] = targets.0.as_slice() else { return MIN_BACKOFF };
        let known = self.entry(target);
        let last = known.refused.as_ref().map_or(Duration::ZERO, |refused| refused.wait);
        let wait = last.saturating_mul(2).clamp(MIN_BACKOFF, MAX_BACKOFF);
        known.refused = Some(Refused { until: now.after(wait), wait });
        wait
    }

    /// Forgets everything, as another account is used from now on.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// Returns the routes of the targets in backoff, each with the longest time left.
    pub(super) fn refused_routes(&self, now: Moment) -> Vec<(Route, Duration)> {
        let refused = self.known.iter().filter_map(|(target, known)| Some((target.route, known.refused.as_ref()?)));
        let mut routes: HashMap<Route, Duration> = HashMap::new();
        for (route, refused) in refused.filter(|(_, refused)| refused.until > now) {
            let left = routes.entry(route).or_default();
            *left = (*left).max(refused.until.since(now));
        }
        let mut routes: Vec<_> = routes.into_iter().collect();
        routes.sort();
        routes
    }

    /// Returns whether a target was refused when it was last asked for, not too long ago.
    pub(super) fn is_any_refused(&self, now: Moment) -> bool {
        let mut refused = self.known.values().filter_map(|known| known.refused.as_ref());
        refused.any(|refused| now.since(refused.until) < REPORTED)
    }

    fn entry(&mut self, target: &Target) -> &mut Known {
        self.uses += 1;
        if self.known.len() >= MAX_TARGETS && !self.known.contains_key(target) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.last_use).map(|(target, _)| target.clone());
            oldest.map(|oldest| self.known.remove(&oldest));
        }
        let unknown = Known { accepted: None, refused: None, last_use: 0 };
        let known = self.known.entry(target.clone()).or_insert(unknown);
        known.last_use = self.uses;
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Targets {
        Targets(vec![Target { route: Route::Questions, name: name.into() }])
    }

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn target_backoff_doubles_to_8_s_until_accepted() {
        let mut backoff = TargetBackoff::default();
        for (now, wait) in [(0, 2), (2, 4), (6, 8), (14, 8)] {
            assert_eq!(backoff.backoff(&target("a"), at(now)), None, "at {now} s");
            assert_eq!(backoff.refuse(&target("a"), at(now)), Duration::from_secs(wait));
            assert_eq!(backoff.backoff(&target("b"), at(now)), None);
        }
        assert_eq!(backoff.backoff(&target("a"), at(15)), Some(Duration::from_secs(7)));
        assert_eq!(backoff.refused_routes(at(15)), [(Route::Questions, Duration::from_secs(7))]);
        let [first] = &target("a").0[..] else { panic!() };
        assert_eq!(backoff.state(first, at(22)), TargetState::Suspect);
        backoff.accept(&target("a"), 1);
        assert_eq!(backoff.state(first, at(22)), TargetState::Allowed);
        assert!(!backoff.is_any_refused(at(22)));
    }

    #[test]
    fn several_refused_targets_are_not_recorded() {
        let mut backoff = TargetBackoff::default();
        let both = Targets([target("a"), target("b")].into_iter().flat_map(|targets| targets.0).collect());
        backoff.refuse(&both, at(0));
        assert_eq!(backoff.backoff(&target("a"), at(0)), None);
        backoff.accept(&target("a"), 1);
        assert_eq!((backoff.accepted(&both), backoff.accepted(&target("a"))), (None, Some(1)));
    }

    #[test]
    fn remembered_targets_are_bounded() {
        let mut backoff = TargetBackoff::default();
        for n in 0..=MAX_TARGETS {
            backoff.refuse(&target(&n.to_string()), at(0));
        }
        assert_eq!(backoff.known.len(), MAX_TARGETS);
        assert_eq!(backoff.backoff(&target("0"), at(0)), None);
        assert!(backoff.backoff(&target(&MAX_TARGETS.to_string()), at(0)).is_some());
    }
}
