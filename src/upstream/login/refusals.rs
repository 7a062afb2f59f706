//! Which credentials the vendor has refused, and how long each is left alone. Pure.
//!
//! Vendors lock an account for logins that fail, whatever the passwords were. So the waits grow with the account's
//! refusals: each is twice the last one, whichever credentials it was for. But only what was refused waits: an operator who
//! puts the good password back is logged in at once, and who goes to and fro between two wrong ones tries none sooner than
//! its wait allows. A good login ends the growth, and no wait of others.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::Moment;

const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// With so many in their waits, further ones wait for the first to end: else who tries one after the other would never wait.
const MOST: usize = 8;

/// The refusals of one account.
pub(super) struct Refusals {
    salt: u64,
    /// The last wait since the last good login.
    wait: Duration,
    refused: Vec<Refused>,
}

struct Refused {
    mark: u16,
    until: Moment,
}

/// The same, for who remembers it beyond the process. How far away the ends are, not when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    /// The marks were made with it. The same as long as there is anything to remember: each further one would tell more of
    /// the credentials.
    pub(super) salt: u64,
    /// The last wait.
    pub(super) wait: Duration,
    /// The mark of what was refused, and how long it is still to be left alone.
    pub(super) refused: Vec<(u16, Duration)>,
}

impl Refusals {
    /// None yet.
    pub(super) fn none(salt: u64) -> Self {
        Self { salt, wait: Duration::ZERO, refused: Vec::new() }
    }

    /// As they were.
    pub(super) fn of(remembered: &Remembered, now: Moment) -> Self {
        let &Remembered { salt, wait, ref refused } = remembered;
        let refused = refused.iter().take(MOST);
        let refused = refused.map(|&(mark, left)| Refused { mark, until: now.after(left.min(LONGEST)) }).collect();
        Self { salt, wait: wait.min(LONGEST), refused }
    }

    /// Until when `credentials` are to be left alone, if they are. Whether they are `proven`, by a login that succeeded:
    /// then no refusal of others holds them up.
    pub(super) fn until(&self, credentials: &str, proven: bool, now: Moment) -> Option<Moment> {
        let mark = mark(self.salt, credentials);
        let waiting = || self.refused.iter().filter(|refused| now < refused.until);
        let own = waiting().find(|refused| refused.mark == mark).map(|refused| refused.until);
        let full = !proven && waiting().count() >= MOST;
        own.or_else(|| waiting().map(|refused| refused.until).min().filter(|_| full))
    }

    /// `credentials` were refused. Gives how long they are left alone.
    pub(super) fn refuse(&mut self, credentials: &str, now: Moment) -> Duration {
        let mark = mark(self.salt, credentials);
        self.wait = self.next_wait();
        self.refused.retain(|refused| now < refused.until && refused.mark != mark);
        // Proven ones come beyond the bound, one at a time: what was proven last takes the place of what ends first.
        while self.refused.len() >= MOST {
            let Some(first) = (0..self.refused.len()).min_by_key(|n| self.refused.get(*n).map(|r| r.until)) else {
                break;
            };
            self.refused.swap_remove(first);
        }
        self.refused.push(Refused { mark, until: now.after(self.wait) });
        self.wait
    }

    /// `credentials` are good.
    pub(super) fn lift(&mut self, credentials: &str, now: Moment) {
        let mark = mark(self.salt, credentials);
        self.wait = Duration::ZERO;
        self.refused.retain(|refused| now < refused.until && refused.mark != mark);
    }

    /// What there is to remember, if anything. A login with the credentials `under_way` counts as refused: should nobody be
    /// left to write down how it ended, it must not be repeated at once.
    pub(super) fn remembered(&self, under_way: Option<&str>, now: Moment) -> Option<Remembered> {
        let left = |refused: &Refused| (refused.mark, refused.until.since(now));
        let mut refused: Vec<_> = self.refused.iter().map(left).filter(|(_, left)| !left.is_zero()).collect();
        let mut wait = self.wait;
        if let Some(credentials) = under_way {
            wait = self.next_wait();
            let mark = mark(self.salt, credentials);
            refused.retain(|(other, _)| *other != mark);
            // The newest first, since no more than the most are read.
            refused.insert(0, (mark, wait));
        }
        let any = !wait.is_zero() || !refused.is_empty();
        any.then_some(Remembered { salt: self.salt, wait, refused })
    }

    fn next_wait(&self) -> Duration {
        self.wait.saturating_mul(2).clamp(FIRST, LONGEST)
    }
}

/// Tells credentials from others, and is too short to guess a password by.
fn mark(salt: u64, credentials: &str) -> u16 {
    let mut hasher = Sha256::new();
    hasher.update(salt.to_be_bytes());
    hasher.update(credentials);
    let [a, b, ..]: [u8; 32] = hasher.finalize().into();
    u16::from_be_bytes([a, b])
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn at(seconds: u64) -> Moment {
        Moment::default().after(secs(1000 + seconds))
    }

    fn left(refusals: &Refusals, credentials: &str, now: u64) -> Option<u64> {
        refusals.until(credentials, false, at(now)).map(|until| until.since(at(now)).as_secs())
    }

    #[test]
    fn only_what_was_refused_waits_and_each_refusal_doubles_the_wait_of_the_next() {
        let mut refusals = Refusals::none(7);
        assert_eq!(refusals.refuse("a", at(0)), secs(30));
        assert_eq!((left(&refusals, "a", 10), left(&refusals, "b", 10)), (Some(20), None));
        assert_eq!(refusals.refuse("b", at(10)), secs(60), "the account counts, not the password");
        assert_eq!((left(&refusals, "a", 10), left(&refusals, "b", 10)), (Some(20), Some(60)));
        assert_eq!((left(&refusals, "a", 30), left(&refusals, "b", 69)), (None, Some(1)));
        let waits = [120, 240, 480, 900, 900].map(secs);
        assert_eq!([1, 2, 3, 4, 5].map(|n| refusals.refuse("a", at(1000 * n))), waits);
    }

    #[test]
    fn who_goes_to_and_fro_between_two_wrong_ones_tries_hardly_more_often_than_with_one() {
        let mut refusals = Refusals::none(7);
        let mut tried = Vec::new();
        for now in 0..900 {
            let credentials = if now % 2 == 0 { "a" } else { "b" };
            if left(&refusals, credentials, now).is_none() {
                refusals.refuse(credentials, at(now));
                tried.push(now);
            }
        }
        assert_eq!(tried, [0, 1, 30, 61, 150, 301, 630]);
    }

    #[test]
    fn a_good_login_ends_the_growth_and_no_wait_of_others() {
        let mut refusals = Refusals::none(7);
        refusals.refuse("a", at(0));
        refusals.refuse("good", at(0));
        refusals.lift("good", at(1));
        assert_eq!((left(&refusals, "a", 1), left(&refusals, "good", 1)), (Some(29), None));
        assert_eq!(refusals.refuse("good", at(1)), secs(30));
    }

    #[test]
    fn who_tries_ever_other_passwords_waits_as_well_and_what_was_good_does_not() {
        let mut refusals = Refusals::none(7);
        for n in 0..MOST {
            assert_eq!(left(&refusals, &format!("guess {n}"), 0), None);
            refusals.refuse(&format!("guess {n}"), at(0));
        }
        assert_eq!((left(&refusals, "one more", 0), left(&refusals, "one more", 30)), (Some(30), None));
        assert_eq!(refusals.until("good", true, at(0)), None);
        refusals.refuse("good", at(0));
        assert_eq!(refusals.until("good", true, at(0)), Some(at(900)), "its own refusal holds");
        assert_eq!(refusals.refused.len(), MOST);
    }

    #[test]
    fn what_is_remembered_is_what_holds_and_a_login_under_way_counts_as_refused() {
        let mut refusals = Refusals::none(7);
        assert_eq!(refusals.remembered(None, at(0)), None);
        let first = refusals.remembered(Some("a"), at(0)).unwrap();
        assert_eq!(left(&Refusals::of(&first, at(5)), "a", 5), Some(30));
        refusals.refuse("a", at(0));
        assert_eq!(refusals.remembered(None, at(0)), Some(first), "as was written before");
        let again = Refusals::of(&refusals.remembered(Some("b"), at(20)).unwrap(), at(20));
        assert_eq!((left(&again, "a", 20), left(&again, "b", 20)), (Some(10), Some(60)));
        refusals.lift("b", at(20));
        assert!(refusals.remembered(None, at(20)).is_some(), "what is wrong is not tried sooner for it");
        assert_eq!(refusals.remembered(None, at(30)), None);
    }
}
