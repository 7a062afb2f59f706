use super::*;
use crate::upstream::login::step::Unavailable;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(seconds: u64) -> Moment {
    Moment::default().after(secs(1000 + seconds))
}

fn good(life: Option<u64>) -> Outcome {
    Outcome::Good { token: Token::new("t".to_owned()).unwrap(), life: life.map(secs), refresh_ahead: 0.8 }
}

fn login(email: &str, password: &str) -> LoginRequest {
    let mut config = crate::config::UpstreamConfig::default();
    (config.email, config.password) = (Secret::new(email), Secret::new(password));
    LoginRequest::new(&config, reqwest::header::HeaderValue::from_static("id"))
}

fn machine() -> Machine {
    Machine::new(login("us", "password"), Refusals::none(7))
}

/// Begins the login that is due, and gives its password.
fn begin(machine: &mut Machine, seconds: u64) -> String {
    match machine.want(at(seconds)) {
        Want::Begin(with) | Want::UseAndRefresh(_, with) => with.password.expose().to_owned(),
        Want::Use { .. } => panic!("nothing is due at {seconds}"),
        Want::Wait => panic!("one is under way at {seconds}"),
        Want::Refuse(_) => panic!("refused at {seconds}"),
    }
}

fn adopt(machine: &mut Machine, password: &str, seconds: u64) -> bool {
    machine.adopt(login("us", password), None, at(seconds))
}

fn refused_for(machine: &mut Machine, seconds: u64) -> Duration {
    match machine.want(at(seconds)) {
        Want::Refuse(unavailable) => unavailable.retry_after,
        _ => panic!("not refused at {seconds}"),
    }
}

#[test]
fn only_the_first_who_wants_a_token_begins_a_login() {
    let mut machine = machine();
    assert!(matches!(machine.want(at(0)), Want::Begin(_)));
    assert!(matches!(machine.want(at(0)), Want::Wait));
    machine.landed(good(None), at(1));
    assert!(matches!(machine.want(at(1)), Want::Use { held: Held { generation: 1, .. }, refresh_at: None }));
}

#[test]
fn a_refused_login_waits_ever_longer() {
    let mut machine = machine();
    let mut now = 0;
    for wait in [30, 60, 120, 240, 480, 900, 900] {
        assert!(matches!(machine.want(at(now)), Want::Begin(_)));
        machine.landed(Outcome::Refused, at(now));
        assert_eq!(refused_for(&mut machine, now), secs(wait));
        assert_eq!(refused_for(&mut machine, now + wait - 1), secs(1));
        now += wait;
    }
    assert!(matches!(machine.want(at(now)), Want::Begin(_)));
    machine.landed(good(None), at(now));
    assert!(matches!(machine.renew(1, Some(1), at(now + 10)), Renewal::Begin(_)));
    machine.landed(Outcome::Refused, at(now + 10));
    assert_eq!(refused_for(&mut machine, now + 10), secs(30));
}

#[test]
fn who_puts_the_good_password_back_is_logged_in_at_once_and_what_was_refused_waits_all_the_same() {
    let mut machine = machine();
    begin(&mut machine, 0);
    machine.landed(good(None), at(0));
    assert!(adopt(&mut machine, "mistyped", 10));
    assert_eq!(begin(&mut machine, 10), "mistyped");
    machine.landed(Outcome::Refused, at(10));
    assert!(matches!(machine.renew(1, Some(1), at(11)), Renewal::Refuse(Unrenewed::Unavailable(_))));
    assert_eq!(refused_for(&mut machine, 11), secs(29));
    assert!(!adopt(&mut machine, "mistyped", 12), "that is nothing new");
    assert!(adopt(&mut machine, "password", 12));
    assert_eq!(begin(&mut machine, 12), "password");
    machine.landed(good(None), at(12));
    assert!(adopt(&mut machine, "mistyped", 15));
    assert!(matches!(machine.want(at(15)), Want::Use { refresh_at: Some(due), .. } if due == at(40)));
    assert!(adopt(&mut machine, "another", 16));
    assert_eq!(begin(&mut machine, 16), "another");
}

#[test]
fn a_login_that_was_begun_before_a_change_latches_nothing_of_what_came_after() {
    for by_the_gateway in [true, false] {
        let mut machine = machine();
        assert_eq!(begin(&mut machine, 0), "password");
        if by_the_gateway {
            machine.change_password(Secret::new("new"), at(1));
        } else {
            adopt(&mut machine, "new", 1);
        }
        assert!(matches!(machine.landed(Outcome::Refused, at(2)), Landed::Superseded));
        assert_eq!(begin(&mut machine, 2), "new");
        machine.landed(Outcome::Refused, at(2));
        // Both were refused, and each waits for itself.
        assert_eq!(refused_for(&mut machine, 2), secs(if by_the_gateway { 30 } else { 60 }));
    }
}

#[test]
fn a_token_from_before_a_change_serves_until_the_next_login_and_proves_nothing() {
    let mut machine = machine();
    begin(&mut machine, 0);
    machine.change_password(Secret::new("new"), at(1));
    assert!(matches!(machine.landed(good(None), at(2)), Landed::Superseded));
    assert_eq!(machine.state(at(2)), LoginState::Good);
    assert_eq!(begin(&mut machine, 2), "new", "at once");
    assert!(matches!(machine.landed(Outcome::Refused, at(3)), Landed::Refused { in_doubt: true, .. }));
    assert_eq!(begin(&mut machine, 3), "password", "the vendor took it before, and may again");
    machine.landed(good(None), at(3));
    assert_eq!(machine.current().password.expose(), "password");
    assert!(matches!(machine.want(at(100)), Want::Use { refresh_at: None, .. }), "that is settled");
}

#[test]
fn a_token_of_an_account_that_was_replaced_meanwhile_is_not_brought_in() {
    let mut machine = machine();
    begin(&mut machine, 0);
    assert!(machine.adopt(login("others", "password"), Some(Refusals::none(8)), at(1)));
    assert!(matches!(machine.landed(good(None), at(2)), Landed::Superseded));
    assert_eq!(machine.state(at(2)), LoginState::Absent);
    begin(&mut machine, 2);
    machine.landed(good(None), at(2));
    assert!(machine.proven(&login("others", "password")) && !machine.proven(&login("us", "password")));
}

#[test]
fn who_goes_back_while_the_login_is_under_way_has_its_outcome() {
    let mut machine = machine();
    begin(&mut machine, 0);
    adopt(&mut machine, "mistyped", 1);
    adopt(&mut machine, "password", 2);
    assert!(matches!(machine.landed(good(None), at(3)), Landed::Good { .. }));
    assert!(matches!(machine.want(at(4)), Want::Use { refresh_at: None, .. }));
}

#[test]
fn after_a_change_through_the_gateway_both_passwords_take_their_turns_and_the_good_one_stays() {
    let mut machine = machine();
    machine.change_password(Secret::new("new"), at(0));
    let mut tried = Vec::new();
    for now in 0..=300 {
        if let Want::Begin(with) = machine.want(at(now)) {
            tried.push((now, with.password.expose().to_owned()));
            machine.landed(Outcome::Refused, at(now));
        }
    }
    let tried: Vec<_> = tried.iter().map(|(now, password)| (*now, password.as_str())).collect();
    assert_eq!(tried, [(0, "new"), (1, "password"), (30, "new"), (61, "password"), (150, "new")]);
}

#[test]
fn a_vendor_who_asked_for_patience_is_not_asked_sooner_for_other_credentials() {
    let mut machine = machine();
    begin(&mut machine, 0);
    machine.landed(Outcome::Failed(UpstreamError::RateLimited { retry_after: secs(70) }), at(0));
    adopt(&mut machine, "another", 10);
    assert_eq!(refused_for(&mut machine, 10), secs(60));
}

#[test]
fn a_login_under_way_counts_as_refused_for_who_starts_after_it_unless_it_was_good_lately() {
    let mut machine = machine();
    assert_eq!(machine.remembered(at(0)), None);
    begin(&mut machine, 0);
    let told = machine.remembered(at(0)).unwrap();
    let mut next = Machine::new(login("us", "password"), Refusals::of(&told, at(1)));
    assert_eq!(refused_for(&mut next, 1), secs(30));
    machine.landed(good(Some(100)), at(1));
    assert_eq!(machine.remembered(at(1)), None);
    begin(&mut machine, 90);
    assert_eq!(machine.remembered(at(90)), None);
    machine.landed(Outcome::Refused, at(90));
    assert!(machine.remembered(at(90)).is_some());
}

#[test]
fn another_failure_waits_less_and_a_throttled_login_as_long_as_it_was_told() {
    let mut machine = machine();
    machine.want(at(0));
    machine.landed(Outcome::Failed(UpstreamError::Unreachable), at(0));
    assert_eq!(refused_for(&mut machine, 0), secs(1));
    assert!(matches!(machine.want(at(1)), Want::Begin(_)));
    machine.landed(Outcome::Failed(UpstreamError::RateLimited { retry_after: secs(70) }), at(1));
    assert_eq!(refused_for(&mut machine, 1), secs(70));
    match machine.want(at(61)) {
        Want::Refuse(Unavailable { error: UpstreamError::RateLimited { retry_after }, .. }) => {
            assert_eq!(retry_after, secs(10), "what is told is what is left");
        }
        _ => panic!("not refused"),
    }
}

#[test]
fn a_refused_login_is_not_tried_sooner_because_the_old_token_dies() {
    let mut machine = machine();
    machine.want(at(0));
    machine.landed(good(Some(100)), at(0));
    assert!(matches!(machine.want(at(80)), Want::UseAndRefresh(..)));
    machine.landed(Outcome::Refused, at(80));
    assert!(matches!(machine.renew(1, Some(1), at(85)), Renewal::Refuse(Unrenewed::Unavailable(_))));
    assert_eq!(refused_for(&mut machine, 85), secs(25));
    assert_eq!(machine.state(at(85)), LoginState::Refused);
    assert!(matches!(machine.want(at(110)), Want::Begin(_)));
}

#[test]
fn a_token_that_claims_to_live_a_moment_causes_no_logins_back_to_back() {
    let mut machine = machine();
    machine.want(at(0));
    let life = Some(Duration::from_millis(1));
    let token = Token::new("t".to_owned()).unwrap();
    machine.landed(Outcome::Good { token, life, refresh_ahead: 0.8 }, at(0));
    assert_eq!(refused_for(&mut machine, 1), secs(1));
    assert!(matches!(machine.want(at(2)), Want::Begin(_)));
}

#[test]
fn it_logs_in_ahead_of_expiry_while_the_old_token_works() {
    let mut machine = machine();
    machine.want(at(0));
    machine.landed(good(Some(100)), at(0));
    assert!(matches!(machine.want(at(79)), Want::Use { .. }));
    assert!(matches!(machine.want(at(80)), Want::UseAndRefresh(..)));
    assert!(matches!(machine.want(at(81)), Want::Use { .. }), "a slow login holds up nobody");
    assert_eq!(machine.state(at(81)), LoginState::Good);
    machine.landed(Outcome::Refused, at(82));
    assert!(matches!(machine.want(at(83)), Want::Use { .. }), "the old token still works");
    assert_eq!(refused_for(&mut machine, 100), secs(12), "now it has expired, and the refusal still holds");
    assert!(matches!(machine.want(at(112)), Want::Begin(_)));
}

#[test]
fn a_token_that_expires_during_a_slow_login_is_not_used() {
    let mut machine = machine();
    machine.want(at(0));
    machine.landed(good(Some(100)), at(0));
    machine.want(at(80));
    assert!(matches!(machine.want(at(100)), Want::Wait));
}

#[test]
fn a_token_that_was_replaced_already_is_not_replaced_again() {
    let mut machine = machine();
    machine.want(at(0));
    machine.landed(good(None), at(0));
    assert!(matches!(machine.renew(1, Some(1), at(5)), Renewal::Begin(_)));
    assert!(matches!(machine.renew(1, Some(1), at(5)), Renewal::Wait));
    machine.landed(good(None), at(6));
    assert!(matches!(machine.renew(1, Some(1), at(6)), Renewal::Use(Held { generation: 2, .. })));
    assert!(matches!(machine.want(at(6)), Want::Use { held: Held { generation: 2, .. }, .. }));
}

#[test]
fn a_token_refused_at_once_stays_and_is_not_replaced() {
    let mut machine = machine();
    machine.want(at(0));
    machine.landed(good(None), at(0));
    assert!(matches!(machine.renew(1, None, at(1)), Renewal::Refuse(Unrenewed::Gate)));
    assert!(matches!(machine.want(at(1)), Want::Use { .. }));
    assert!(matches!(machine.renew(1, None, at(2)), Renewal::Begin(_)));
}

#[test]
fn old_token_serves_other_calls_during_a_renewal() {
    let mut machine = machine();
    begin(&mut machine, 0);
    machine.landed(good(None), at(0));
    machine.accepted(1, false);
    assert!(matches!(machine.renew(1, Some(1), at(10)), Renewal::Begin(_)));
    assert!(matches!(machine.want(at(10)), Want::Use { held: Held { generation: 1, .. }, .. }));
    machine.accepted(1, false);
    machine.landed(Outcome::Refused, at(11));
    assert!(matches!(machine.want(at(11)), Want::Use { .. }), "another call was accepted with it since");
    assert!(matches!(machine.renew(1, Some(1), at(12)), Renewal::Refuse(Unrenewed::Unavailable(_))));
    assert!(matches!(machine.want(at(12)), Want::Refuse(_)), "no call was accepted with it since");
}

#[test]
fn a_login_without_a_token_is_a_setback_while_the_one_before_works_until_other_credentials_hold() {
    let mut machine = machine();
    begin(&mut machine, 0);
    machine.landed(good(Some(100)), at(0));
    let told = |machine: &Machine, seconds| {
        let LoginStanding { state, setback, .. } = machine.standing(at(seconds));
        (state, setback)
    };
    assert_eq!(told(&machine, 79), (LoginState::Good, None));
    begin(&mut machine, 80);
    machine.landed(Outcome::Refused, at(80));
    assert_eq!(told(&machine, 81), (LoginState::Good, Some(LoginState::Refused)));
    assert!(adopt(&mut machine, "mended", 82));
    assert_eq!(told(&machine, 82), (LoginState::Good, None));
    begin(&mut machine, 82);
    machine.landed(Outcome::Failed(UpstreamError::Unreachable), at(82));
    assert_eq!(told(&machine, 84), (LoginState::Good, Some(LoginState::Failed)), "its wait is over");
    assert!(adopt(&mut machine, "password", 85));
    assert_eq!(told(&machine, 85), (LoginState::Good, Some(LoginState::Refused)), "it was refused, and still waits");
    assert_eq!(told(&machine, 100).1, None, "the state says all");
}
