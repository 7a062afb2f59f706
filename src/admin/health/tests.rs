use super::*;
use crate::http::ValidityWarning;
use crate::upstream::{BarredTold, BreakerTold, BudgetTold, CallsTold, LoginTold};

fn vendor() -> VendorStanding {
    VendorStanding {
        login: LoginTold { state: LoginState::Good, setback: None, next_try_in: None, token_ends_in: None },
        breaker: BreakerTold { state: BreakerState::Closed, probe_in: None },
        calls: CallsTold { last_good_for: Some(1.0), failing: None },
        budget: BudgetTold { remaining: 30, burst: 30 },
        paused_for: None,
        barred: Vec::new(),
    }
}

fn facts(vendor: &VendorStanding) -> HealthInputs<'_> {
    HealthInputs {
        lifecycle: Lifecycle::Serving,
        vendor,
        servable: true,
        warnings: &[],
        stretch: 1.0,
        in_flight: 0,
        is_full: false,
        requests: 0,
        failed: 0,
        refused: 0,
    }
}

/// The level, and the words.
fn says(facts: &HealthInputs<'_>) -> (Level, String) {
    let health = HealthSummary::of(facts);
    (health.level, health.says)
}

fn of_vendor(change: impl FnOnce(&mut VendorStanding)) -> (Level, String) {
    let mut vendor = vendor();
    change(&mut vendor);
    says(&facts(&vendor))
}

fn failing(calls: u64, last: f64, outcome: CallOutcome) -> CallsTold {
    let failing = FailingTold { since: last + 2.0, last, calls, outcome };
    CallsTold { last_good_for: None, failing: Some(failing) }
}

#[test]
fn a_gateway_that_lacks_nothing_is_well_and_has_no_notes() {
    let health = HealthSummary::of(&facts(&vendor()));
    assert_eq!(health, HealthSummary { level: Level::Good, says: "All is well".to_owned(), notes: Vec::new() });
}

#[test]
fn outage_notice_names_its_impact_on_callers() {
    let mut down = vendor();
    down.calls = failing(5, 1.0, CallOutcome::Unreachable);
    let mut facts = facts(&down);
    assert_eq!(says(&facts), (Level::Bad, "Wesal is not answering: serving what is held".to_owned()));
    facts.servable = false;
    assert_eq!(says(&facts), (Level::Bad, "Wesal is not answering: callers get errors".to_owned()));
    let more = &HealthSummary::of(&facts).notes[0].more;
    assert_eq!(more, "5 calls have failed in 3 s, the last one: unreachable. It is asked as before.");
    assert_eq!(
        of_vendor(|vendor| vendor.calls = failing(3, 1.0, CallOutcome::Failed)).1,
        "Wesal is failing: serving what is held"
    );
}

#[test]
fn a_call_or_two_that_failed_are_no_outage_and_are_soon_forgotten() {
    let summary = |calls, last| of_vendor(|vendor| vendor.calls = failing(calls, last, CallOutcome::Timeout));
    assert_eq!(summary(2, 1.0), (Level::Warning, "The last call to Wesal failed".to_owned()));
    assert_eq!(summary(2, 61.0).0, Level::Good);
    assert_eq!(
        summary(3, 600.0),
        (Level::Warning, "Wesal was not answering when it was last asked, 10 min ago".to_owned())
    );
}

#[test]
fn an_open_breaker_says_when_it_lets_a_call_through() {
    let mut down = vendor();
    down.calls = failing(1, 1.0, CallOutcome::Timeout);
    down.breaker = BreakerTold { state: BreakerState::Open, probe_in: Some(4) };
    let note = HealthSummary::of(&facts(&down)).notes.remove(0);
    assert_eq!(note.level, Level::Bad);
    assert!(note.more.ends_with("The next call is let through in 4 s."), "{}", note.more);
    down.breaker = BreakerTold { state: BreakerState::HalfOpen, probe_in: None };
    assert!(HealthSummary::of(&facts(&down)).notes[0].more.ends_with("One call is trying it."));
    down.calls.failing = None;
    assert_eq!(says(&facts(&down)).0, Level::Bad);
}

#[test]
fn each_state_of_the_login_has_its_words() {
    let summary = |state| {
        of_vendor(|vendor| {
            vendor.login = LoginTold { state, setback: None, next_try_in: Some(20), token_ends_in: None };
        })
    };
    assert_eq!(
        summary(LoginState::Refused),
        (Level::Bad, "Wesal refuses the service login: serving what is held".to_owned())
    );
    assert_eq!(summary(LoginState::Failed), (Level::Bad, "Logging in at Wesal fails: serving what is held".to_owned()));
    assert_eq!(
        summary(LoginState::LoggingIn),
        (Level::Warning, "The gateway is not logged in at Wesal yet".to_owned())
    );
    assert_eq!(summary(LoginState::Good).0, Level::Good);
}

#[test]
fn what_somebody_should_see_to_is_a_warning() {
    let spent = |vendor: &mut VendorStanding| vendor.budget.remaining = 0;
    assert_eq!(of_vendor(spent), (Level::Warning, "The budget of calls to Wesal is spent".to_owned()));
    let paused = |vendor: &mut VendorStanding| vendor.paused_for = Some(12);
    let served = "Wesal asked to be left alone for 12 s more: serving what is held";
    assert_eq!(of_vendor(paused), (Level::Warning, served.to_owned()));
    let barred =
        |vendor: &mut VendorStanding| vendor.barred = vec![BarredTold { route: "/queries/organization", seconds: 300 }];
    assert_eq!(of_vendor(barred), (Level::Warning, "Wesal refuses 1 route to the gateway's account".to_owned()));
    let vendor = vendor();
    let low = HealthInputs { stretch: 1.8, ..facts(&vendor) };
    assert_eq!(says(&low), (Level::Warning, "The budget of calls to Wesal runs low".to_owned()));
    let failed = HealthInputs { requests: 1, failed: 1, ..facts(&vendor) };
    assert_eq!(says(&failed), (Level::Warning, "1 answer of the last minute told callers of a failure".to_owned()));
    for (warning, expected) in [
        (Warning::ConfigurationRefused, "The configuration was not taken over"),
        (Warning::CertificateValidity(ValidityWarning::ExpiresSoon), "Somebody should see to the certificate"),
        (Warning::LoginRefused, "Somebody should see to the service login"),
        (Warning::RouteRefused, "Wesal lately refused a route to the gateway's account"),
    ] {
        let refused = HealthInputs { warnings: &[warning], ..facts(&vendor) };
        assert_eq!(says(&refused), (Level::Warning, expected.to_owned()));
    }
    let mut refusing = self::vendor();
    refusing.barred = vec![BarredTold { route: "/queries/organization", seconds: 3 }];
    let refused = HealthInputs { warnings: &[Warning::RouteRefused], ..facts(&refusing) };
    assert_eq!(HealthSummary::of(&refused).notes.len(), 1, "one condition has one notice");
    let refused =
        HealthInputs { warnings: &[Warning::CertificateValidity(ValidityWarning::ExpiresSoon)], ..facts(&vendor) };
    assert_eq!(HealthSummary::of(&refused).notes[0].more, "It expires soon; renew it.");
}

#[test]
fn vendor_429_and_refused_route_are_no_failure() {
    let throttled =
        of_vendor(|vendor| (vendor.calls, vendor.paused_for) = (failing(4, 1.0, CallOutcome::RateLimited), Some(9)));
    assert_eq!(throttled.1, "Wesal asked to be left alone for 9 s more: serving what is held");
    assert_eq!(of_vendor(|vendor| vendor.calls = failing(4, 1.0, CallOutcome::RateLimited)).0, Level::Bad);
    let refused = |calls| {
        of_vendor(|vendor| {
            vendor.calls = failing(calls, 1.0, CallOutcome::TokenDead);
            vendor.barred = vec![BarredTold { route: "/queries/organization", seconds: 8 }];
        })
    };
    assert_eq!(refused(2), (Level::Warning, "Wesal refuses 1 route to the gateway's account".to_owned()));
    assert_eq!(refused(3), (Level::Bad, "Wesal is failing: serving what is held".to_owned()));
}

#[test]
fn where_nothing_is_held_a_pause_is_trouble_and_a_spent_budget_says_what_callers_get() {
    let mut alone = vendor();
    alone.paused_for = Some(300);
    let summary = says(&HealthInputs { servable: false, ..facts(&alone) });
    assert_eq!(summary, (Level::Bad, "Wesal asked to be left alone for 5 min more: callers get errors".to_owned()));
    alone.paused_for = None;
    alone.budget.remaining = 0;
    let more = |servable| HealthSummary::of(&HealthInputs { servable, ..facts(&alone) }).notes.remove(0).more;
    assert!(more(true).starts_with("Answers that are held are served; other callers wait, and"), "{}", more(true));
    assert!(more(false).starts_with("Callers wait, and are refused"), "{}", more(false));
}

#[test]
fn failures_are_trouble_from_one_in_ten_on_and_a_few_are_not() {
    let vendor = vendor();
    let level = |requests, failed| says(&HealthInputs { requests, failed, ..facts(&vendor) }).0;
    assert_eq!([level(2, 2), level(31, 3), level(30, 3)], [Level::Warning, Level::Warning, Level::Bad]);
    assert_eq!(level(u64::MAX, u64::MAX), Level::Bad);
}

#[test]
fn refusals_have_a_notice_if_they_are_most_answers() {
    let vendor = vendor();
    let refused = |requests, refused| says(&HealthInputs { requests, refused, ..facts(&vendor) });
    let most = (Level::Warning, "Most requests of the last minute were refused".to_owned());
    assert_eq!([refused(10, 10), refused(19, 10)], [most.clone(), most]);
    assert_eq!([refused(9, 9).0, refused(20, 10).0], [Level::Good, Level::Good]);
}

#[test]
fn the_worst_stands_first_and_nothing_is_left_out() {
    let mut down = vendor();
    down.calls = failing(9, 1.0, CallOutcome::Failed);
    down.budget.remaining = 0;
    let full = HealthInputs {
        lifecycle: Lifecycle::Draining,
        is_full: true,
        in_flight: 2,
        requests: 99,
        failed: 3,
        ..facts(&down)
    };
    let health = HealthSummary::of(&full);
    assert_eq!((health.level, health.says.as_str()), (Level::Bad, "The gateway is draining"));
    assert_eq!(health.notes[0].more, "2 requests are still worked on; then the process ends.");
    assert_eq!(health.notes.iter().filter(|note| note.level == Level::Bad).count(), 3);
    assert_eq!(health.notes.len(), 5);
    assert!(health.notes.is_sorted_by_key(|note| std::cmp::Reverse(note.level)));
}
