//! The options of a simulated vendor.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::faults::FaultRule;

/// The clock of a simulator.
pub type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The options of a simulated vendor.
#[derive(Clone)]
pub struct Options {
    /// The same seed gives the same data, tokens, codes and random faults.
    pub seed: u64,
    /// The time that a response takes.
    pub latency: Latency,
    /// The life of a token, in whole seconds and at least one. Without it a token has no `exp` and never expires.
    pub token_ttl: Option<Duration>,
    /// Random faults. The first rule that applies decides.
    pub faults: Vec<FaultRule>,
    /// The one account.
    pub credentials: Credentials,
    /// The clock, by default the system's.
    pub now: Now,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            latency: Latency::default(),
            token_ttl: None,
            faults: Vec::new(),
            credentials: Credentials::default(),
            now: Arc::new(system_time),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the only place where the simulator reads the system's clock")]
fn system_time() -> SystemTime {
    SystemTime::now()
}

/// The credentials of the account. The type has no `Debug`, since it holds a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `X-Client-Id`, Base64.
    pub client_id: String,
    /// The account's email.
    pub email: String,
    /// The account's password.
    pub password: String,
}

impl Default for Credentials {
    /// The client id is the one in the vendor's reference.
    fn default() -> Self {
        Self {
            client_id: "RW5jb2RlIHRvIEJhc2U2NCBmb3JtYXQ=".to_owned(),
            email: "demo@wesal.example".to_owned(),
            password: "open-sesame".to_owned(),
        }
    }
}

/// The time that a response takes: uniformly distributed over `base` ± `jitter`, by default zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// The mean.
    pub base: Duration,
    /// The largest deviation from the mean. A negative sum counts as zero.
    pub jitter: Duration,
}

impl Latency {
    /// Returns the latency at a point of the distribution: 0 is the shortest, 1 the longest.
    pub(crate) fn at(self, fraction: f64) -> Duration {
        let offset = self.jitter.mul_f64(2.0 * fraction);
        self.base.saturating_add(offset).saturating_sub(self.jitter)
    }
}

/// An invalid latency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid latency `{0}`: expected `120ms`, `1s` or `120ms±30ms` (or `+-` for `±`), each less than an hour")]
pub struct LatencyError(String);

impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        let (base, jitter) = match text.split_once('±').or_else(|| text.split_once("+-")) {
            Some((base, jitter)) => (base, Some(jitter)),
            None => (text, None),
        };
        let read = |part: &str| duration(part).ok_or_else(|| LatencyError(text.to_owned()));
        Ok(Self { base: read(base)?, jitter: jitter.map(read).transpose()?.unwrap_or_default() })
    }
}

fn duration(text: &str) -> Option<Duration> {
    let span: jiff::SignedDuration = text.trim().parse().ok()?;
    Duration::try_from(span).ok().filter(|duration| *duration < Duration::from_secs(3600))
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.base.as_millis())?;
        if self.jitter.is_zero() { Ok(()) } else { write!(f, "±{}ms", self.jitter.as_millis()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_parses_in_every_form() {
        let read = |text: &str| text.parse::<Latency>().map(|latency| latency.to_string());
        assert_eq!(read("120ms").as_deref(), Ok("120ms"));
        assert_eq!(read("120ms±30ms").as_deref(), Ok("120ms±30ms"));
        assert_eq!(read("1s +- 30ms").as_deref(), Ok("1000ms±30ms"));
        for wrong in ["", "120", "-1ms", "1h", "3600s", "1ms±", "±1ms"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn latency_stays_within_its_jitter() {
        let latency = Latency { base: Duration::from_millis(100), jitter: Duration::from_millis(30) };
        assert_eq!(latency.at(0.0), Duration::from_millis(70));
        assert_eq!(latency.at(1.0), Duration::from_millis(130));
        let wide = Latency { base: Duration::from_millis(10), jitter: Duration::from_millis(30) };
        assert_eq!(wide.at(0.0), Duration::ZERO);
    }
}
