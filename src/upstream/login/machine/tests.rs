use super::*;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(seconds: u64) -> Moment {
    Moment::default().after(secs(1000 + seconds))
}

fn good(life: Option<u64>) -> Outcome {
    Outcome::Good { token: Token::new("t".to_owned()).unwrap(), life: life.map(secs), refresh_ahead: 0.8 }
}

fn refused_for(machine: &mut Machine, seconds: u64) -> Duration {
    match machine.want(at(seconds)) {
        Want::Refuse(unavailable) => unavailable.retry_after,
        _ => panic!("not refused at {seconds}"),
    }
}

#[test]
fn only_the_first_who_wants_a_token_begins_a_login() {
    let mut machine = Machine::new();
    assert!(matches!(machine.want(at(0)), Want::Begin));
    assert!(matches!(machine.want(at(0)), Want::Wait));
    machine.landed(good(None), at(1));
    assert!(matches!(machine.want(at(1)), Want::Use { held: Held { generation: 1, .. }, refresh_at: None }));
}

#[test]
fn a_refused_login_waits_ever_longer() {
    let mut machine = Machine::new();
    let mut now = 0;
    for wait in [30, 60, 120, 240, 480, 900, 900] {
        assert!(matches!(machine.want(at(now)), Want::Begin));
        machine.landed(Outcome::Refused, at(now));
        assert_eq!(refused_for(&mut machine, now), secs(wait));
        assert_eq!(refused_for(&mut machine, now + wait - 1), secs(1));
        now += wait;
    }
    assert!(matches!(machine.want(at(now)), Want::Begin));
    machine.landed(good(None), at(now));
    machine.died(1, at(now + 10));
    assert!(matches!(machine.want(at(now + 10)), Want::Begin));
    machine.landed(Outcome::Refused, at(now + 10));
    assert_eq!(refused_for(&mut machine, now + 10), secs(30));
}

#[test]
fn a_new_password_is_tried_at_once_whatever_was_refused() {
    let mut machine = Machine::new();
    assert!(matches!(machine.want(at(0)), Want::Begin));
    machine.landed(Outcome::Refused, at(0));
    assert_eq!(refused_for(&mut machine, 1), secs(29));
    machine.renew(at(1));
    assert!(matches!(machine.want(at(1)), Want::Begin));
    // And once more, while the login with the last one is under way.
    machine.renew(at(2));
    assert!(matches!(machine.landed(Outcome::Refused, at(3)), Landed::Superseded));
    assert!(matches!(machine.want(at(3)), Want::Begin));
    assert!(matches!(machine.landed(good(None), at(4)), Landed::Good { .. }));
    machine.renew(at(10));
    assert!(matches!(machine.want(at(10)), Want::UseAndRefresh(_)), "the token that works serves meanwhile");
    machine.renew(at(10));
    assert!(matches!(machine.landed(good(None), at(10)), Landed::Superseded), "with the last password");
    assert!(matches!(machine.want(at(10)), Want::UseAndRefresh(_)), "and with the new one next");
    assert_eq!(machine.state(at(10)), LoginState::Good);
}

#[test]
fn another_failure_waits_less_and_a_throttled_login_as_long_as_it_was_told() {
    let mut machine = Machine::new();
    machine.want(at(0));
    machine.landed(Outcome::Failed(UpstreamError::Unreachable), at(0));
    assert_eq!(refused_for(&mut machine, 0), secs(1));
    assert!(matches!(machine.want(at(1)), Want::Begin));
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
    let mut machine = Machine::new();
    machine.want(at(0));
    machine.landed(good(Some(100)), at(0));
    assert!(matches!(machine.want(at(80)), Want::UseAndRefresh(_)));
    machine.landed(Outcome::Refused, at(80));
    assert!(machine.died(1, at(85)));
    assert_eq!(refused_for(&mut machine, 85), secs(25));
    assert_eq!(machine.state(at(85)), LoginState::Refused);
    assert!(matches!(machine.want(at(110)), Want::Begin));
}

#[test]
fn a_token_that_claims_to_live_a_moment_causes_no_logins_back_to_back() {
    let mut machine = Machine::new();
    machine.want(at(0));
    let life = Some(Duration::from_millis(1));
    let token = Token::new("t".to_owned()).unwrap();
    machine.landed(Outcome::Good { token, life, refresh_ahead: 0.8 }, at(0));
    assert_eq!(refused_for(&mut machine, 1), secs(1));
    assert!(matches!(machine.want(at(2)), Want::Begin));
}

#[test]
fn it_logs_in_ahead_of_expiry_while_the_old_token_works() {
    let mut machine = Machine::new();
    machine.want(at(0));
    machine.landed(good(Some(100)), at(0));
    assert!(matches!(machine.want(at(79)), Want::Use { .. }));
    assert!(matches!(machine.want(at(80)), Want::UseAndRefresh(_)));
    assert!(matches!(machine.want(at(81)), Want::Use { .. }), "a slow login holds up nobody");
    assert_eq!(machine.state(at(81)), LoginState::Good);
    machine.landed(Outcome::Refused, at(82));
    assert!(matches!(machine.want(at(83)), Want::Use { .. }), "the old token still works");
    assert_eq!(refused_for(&mut machine, 100), secs(12), "now it has expired, and the refusal still holds");
    assert!(matches!(machine.want(at(112)), Want::Begin));
}

#[test]
fn a_token_that_expires_during_a_slow_login_is_not_used() {
    let mut machine = Machine::new();
    machine.want(at(0));
    machine.landed(good(Some(100)), at(0));
    machine.want(at(80));
    assert!(matches!(machine.want(at(100)), Want::Wait));
}

#[test]
fn a_token_that_was_replaced_already_is_not_replaced_again() {
    let mut machine = Machine::new();
    machine.want(at(0));
    machine.landed(good(None), at(0));
    assert!(machine.died(1, at(5)));
    assert!(machine.died(1, at(5)));
    machine.want(at(5));
    machine.landed(good(None), at(6));
    assert!(machine.died(1, at(6)));
    assert!(matches!(machine.want(at(6)), Want::Use { held: Held { generation: 2, .. }, .. }));
}

#[test]
fn a_token_refused_at_once_stays_and_is_not_replaced() {
    let mut machine = Machine::new();
    machine.want(at(0));
    machine.landed(good(None), at(0));
    assert!(!machine.died(1, at(1)), "another try would fare no better");
    assert!(matches!(machine.want(at(1)), Want::Use { .. }));
    assert!(machine.died(1, at(2)));
    assert!(matches!(machine.want(at(2)), Want::Begin));
}
