use std::time::Duration;

use jiff::Timestamp;
use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};
use serde::Serialize;

/// From when until when a certificate is good (RFC 5280, section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last.
    pub not_after: Timestamp,
}

/// A certificate should be renewed by the time it has this left, or a sixth of its life if that is less: those who renew by
/// themselves do it with a third left.
const SOON: Duration = Duration::from_secs(14 * 86_400);
const OF_ITS_LIFE: u32 = 6;

impl Validity {
    /// A certificate's; `None` if it does not say so in a form that the TLS library can read.
    ///
    /// The library gives the dates only to who has it check the certificate at another time, and looks at them before all
    /// else. A crate that reads certificates would bring ten more for these two numbers.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        let at = |seconds| {
            let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], now, &[]).err()
        };
        let Some(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) = at(u64::MAX) else {
            return None;
        };
        let not_before = match at(0) {
            Some(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => not_before,
            _ => UnixTime::since_unix_epoch(Duration::ZERO),
        };
        Some(Self { not_before: timestamp(not_before), not_after: timestamp(not_after) })
    }

    /// What somebody should do about it at `now`, if anything.
    pub fn warning(&self, now: Timestamp) -> Option<&'static str> {
        let life = self.not_after.duration_since(self.not_before).unsigned_abs();
        let left = self.not_after.duration_since(now);
        if left.is_negative() {
            Some("it has expired, and clients refuse it; renew it")
        } else if now < self.not_before {
            Some("it is not good yet, and clients refuse it; wait, or set this machine's clock")
        } else if left.unsigned_abs() < SOON.min(life / OF_ITS_LIFE) {
            Some("it expires soon; renew it")
        } else {
            None
        }
    }
}

/// One that never expires says 31 December 9999, which is a day later than a [`Timestamp`] can be.
fn timestamp(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs()).ok().and_then(|at| Timestamp::from_second(at).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn good(from: (i32, u8, u8), until: (i32, u8, u8)) -> Validity {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let date = |(year, month, day)| date_time_ymd(year, month, day);
        (params.not_before, params.not_after) = (date(from), date(until));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Validity::of(certificate.der()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_dates_are_those_in_the_certificate() {
        let Validity { not_before, not_after } = good((2026, 1, 1), (2027, 2, 3));
        assert_eq!((not_before, not_after), (at("2026-01-01T00:00:00Z"), at("2027-02-03T00:00:00Z")));
        assert_eq!(good((2026, 1, 1), (9999, 12, 31)).not_after.to_string()[..10], *"9999-12-30");
        assert_eq!(Validity::of(&CertificateDer::from(&b"junk"[..])), None);
    }

    #[test]
    fn it_warns_two_weeks_before_the_end_and_later_of_a_short_life() {
        for (from, until, now, warned) in [
            ((2026, 1, 1), (2027, 1, 1), "2026-12-17T23:59:59Z", ""),
            ((2026, 1, 1), (2027, 1, 1), "2026-12-18T00:00:01Z", "expires soon"),
            ((2026, 1, 1), (2027, 1, 1), "2027-01-01T00:00:00Z", "expires soon"),
            ((2026, 1, 1), (2027, 1, 1), "2027-01-01T00:00:01Z", "has expired"),
            ((2026, 1, 1), (2027, 1, 1), "2025-12-31T23:59:59Z", "not good yet"),
            ((2026, 1, 1), (2026, 1, 7), "2026-01-05T23:59:59Z", ""),
            ((2026, 1, 1), (2026, 1, 7), "2026-01-06T00:00:01Z", "expires soon"),
        ] {
            let told = good(from, until).warning(at(now)).unwrap_or_default();
            assert!(told.contains(warned) && told.is_empty() == warned.is_empty(), "{now}: {told}");
        }
    }
}
