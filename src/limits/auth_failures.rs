use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use governor::{RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state::keyed::DashMapStateStore};

use crate::{
    clock::{GcraClock, SharedClock},
    config::RateLimit,
};

/// Limits failed authentications by client address, so that keys cannot be guessed fast.
///
/// Only failing attempts are refused: a valid credential passes from any address.
pub struct AuthFailures {
    limiter: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, GcraClock, NoOpMiddleware<Nanos>>,
    limit: RateLimit,
    clock: SharedClock,
}

impl AuthFailures {
    /// The number of addresses that are tracked.
    const MAX_TRACKED: usize = 100_000;

    /// The answer's wait when no further address can be tracked.
    const FULL_WAIT: Duration = Duration::from_secs(60);

    /// Admits `limit` failures from each address.
    pub fn new(limit: &RateLimit, clock: SharedClock) -> Self {
        let limiter = RateLimiter::dashmap_with_clock(limit.quota(), GcraClock(clock.clone()));
        Self { limiter, limit: limit.clone(), clock }
    }

    /// Returns the limit of each address.
    pub fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// Counts a failure from `address`. Returns how long to wait if there were too many.
    pub fn check(&self, address: IpAddr) -> Result<(), Duration> {
        if self.limiter.len() >= Self::MAX_TRACKED {
            // Untracked addresses would not be limited, so every failing attempt is refused until `tidy` frees some.
            return Err(Self::FULL_WAIT);
        }
        let now = Nanos::from(self.clock.now().as_nanos());
        self.limiter.check_key(&subnet_key(address)).map_err(|not_until| not_until.wait_time_from(now))
    }

    /// Removes the addresses whose burst is whole again. Call it periodically.
    pub fn tidy(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// Returns the address that stands for a subscriber: an IPv6 subscriber has at least a /64.
fn subnet_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnet_key_is_ipv6_64_or_ipv4_address() {
        let at = |text: &str| subnet_key(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2:3:4:5:6"), at("2001:db8:1:2:ffff::1"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }
}
