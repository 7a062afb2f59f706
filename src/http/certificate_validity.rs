use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// The validity period of a certificate (RFC 5280, section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateValidity {
    /// The first valid moment.
    pub not_before: Timestamp,
    /// The last valid moment.
    pub not_after: Timestamp,
}

/// What is wrong with a certificate's validity period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidityWarning {
    /// It is over.
    Expired,
    /// It has not begun.
    NotYetValid,
    /// It ends soon.
    ExpiresSoon,
}

impl ValidityWarning {
    /// Returns what the operator should do about it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "it has expired, and clients refuse it; renew it",
            Self::NotYetValid => "it is not good yet, and clients refuse it; wait, or set this machine's clock",
            Self::ExpiresSoon => "it expires soon; renew it",
        }
    }
}

/// A certificate needs renewal when less than this remains, or a sixth of its lifetime if that is shorter. Automatic renewal
/// usually happens with a third left.
const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 86_400);
const LIFETIME_FRACTION: u32 = 6;

impl CertificateValidity {
    /// Returns what is wrong with the certificate's validity at `now`, if anything.
    pub fn warning(&self, now: Timestamp) -> Option<ValidityWarning> {
        let lifetime = self.not_after.duration_since(self.not_before).unsigned_abs();
        let left = self.not_after.duration_since(now);
        if left.is_negative() {
            Some(ValidityWarning::Expired)
        } else if now < self.not_before {
            Some(ValidityWarning::NotYetValid)
        } else if left.unsigned_abs() < EXPIRY_WARNING.min(lifetime / LIFETIME_FRACTION) {
            Some(ValidityWarning::ExpiresSoon)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_starts_two_weeks_before_expiry_or_later() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (year, week) = ("2027-01-01T00:00:00Z", "2026-01-07T00:00:00Z");
        for (not_after, now, expected) in [
            (year, "2026-12-17T23:59:59Z", None),
            (year, "2026-12-18T00:00:01Z", Some(ValidityWarning::ExpiresSoon)),
            (year, "2027-01-01T00:00:00Z", Some(ValidityWarning::ExpiresSoon)),
            (year, "2027-01-01T00:00:01Z", Some(ValidityWarning::Expired)),
            (year, "2025-12-31T23:59:59Z", Some(ValidityWarning::NotYetValid)),
            (week, "2026-01-05T23:59:59Z", None),
            (week, "2026-01-06T00:00:01Z", Some(ValidityWarning::ExpiresSoon)),
        ] {
            let validity = CertificateValidity { not_before: at("2026-01-01T00:00:00Z"), not_after: at(not_after) };
            assert_eq!(validity.warning(at(now)), expected, "{now}");
        }
    }
}
