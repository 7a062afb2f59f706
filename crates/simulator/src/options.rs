//! What a simulated vendor is made of.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::faults::FaultRule;

/// The clock that a simulator lives by.
pub type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Everything that can be chosen about a simulated vendor.
#[derive(Clone)]
pub struct Options {
    /// The same seed gives the same data, tokens, codes and chances.
    pub seed: u64,
    /// How long an answer takes.
    pub latency: Latency,
    /// How long a token lives, in whole seconds of at least one; without it a token has no `exp` and no end.
    pub token_ttl: Option<Duration>,
    /// Faults by chance. The first rule that strikes decides.
    pub faults: Vec<FaultRule>,
    /// The one account.
    pub credentials: Credentials,
    /// The clock. By default the system's.
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

/// What the vendor's support hands out, and what a person logs in with. It has no `Debug`, as it holds a password.
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
    /// The client id is the one that the vendor's reference shows.
    fn default() -> Self {
        Self {
            client_id: "RW5jb2RlIHRvIEJhc2U2NCBmb3JtYXQ=".to_owned(),
            email: "demo@wesal.example".to_owned(),
            password: "open-sesame".to_owned(),
        }
    }
}

/// How long an answer takes: evenly spread over `base` ± `jitter`. By default no time at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// The middle.
    pub base: Duration,
    /// How far from the middle it may be. Below zero counts as zero.
    pub jitter: Duration,
}

impl Latency {
    /// The latency at a point of the spread: 0 is the shortest, 1 the longest.
    pub(crate) fn at(self, fraction: f64) -> Duration {
        let offset = self.jitter.mul_f64(2.0 * fraction);
        self.base.saturating_add(offset).saturating_sub(self.jitter)
    }
}

/// A latency that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no latency: write `120ms`, `1s` or `120ms±30ms` (`+-` does for `±`), with less than an hour each")]
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
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 1),
        None => (text.strip_suffix('s')?, 1000),
    };
    let number: u32 = digits.trim_end().parse().ok()?;
    let milliseconds = u64::from(number) * unit;
    (milliseconds < 3_600_000).then(|| Duration::from_millis(milliseconds))
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
    fn latencies_are_read_in_every_spelling() {
        let read = |text: &str| text.parse::<Latency>().map(|latency| latency.to_string());
        assert_eq!(read("120ms").as_deref(), Ok("120ms"));
        assert_eq!(read("120ms±30ms").as_deref(), Ok("120ms±30ms"));
        assert_eq!(read("1s +- 30ms").as_deref(), Ok("1000ms±30ms"));
        for wrong in ["", "120", "-1ms", "1h", "3600s", "1ms±", "±1ms"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn latency_stays_in_its_spread() {
        let latency = Latency { base: Duration::from_millis(100), jitter: Duration::from_millis(30) };
        assert_eq!(latency.at(0.0), Duration::from_millis(70));
        assert_eq!(latency.at(1.0), Duration::from_millis(130));
        let wide = Latency { base: Duration::from_millis(10), jitter: Duration::from_millis(30) };
        assert_eq!(wide.at(0.0), Duration::ZERO);
    }
}
