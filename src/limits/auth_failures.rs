use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use governor::{RateLimiter, middleware::NoOpMiddleware, nanos::Nanos, state::keyed::DashMapStateStore};

use crate::{
    clock::{GcraClock, SharedClock},
    config::RateLimit,
};

/// Failed authentications by address, so that keys cannot be guessed at speed. Only failing attempts are
/// refused: a good key passes from any address.
pub struct AuthFailures {
    limiter: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, GcraClock, NoOpMiddleware<Nanos>>,
    limit: RateLimit,
    clock: SharedClock,
}

impl AuthFailures {
    /// Addresses remembered at most.
    const MOST: usize = 100_000;

    /// `limit` is `limits.auth_failures`.
    pub fn new(limit: &RateLimit, clock: SharedClock) -> Self {
        let limiter = RateLimiter::dashmap_with_clock(limit.quota(), GcraClock(clock.clone()));
        Self { limiter, limit: limit.clone(), clock }
    }

    /// What it was made of.
    pub fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// Counts a failure from `address`; says how long to wait if there were too many.
    pub fn count(&self, address: IpAddr) -> Result<(), Duration> {
        if self.limiter.len() >= Self::MOST {
            // A hundred thousand addresses fail at once: nobody who fails is heard for a while.
            return Err(Duration::from_secs(60));
        }
        let now = Nanos::from(self.clock.now().as_nanos());
        self.limiter.check_key(&network(address)).map_err(|not_until| not_until.wait_time_from(now))
    }

    /// Forgets who has been quiet for long enough.
    pub fn tidy(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// One IPv6 subscriber has a /64 of addresses at the least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_subscriber_is_one_and_a_mapped_ipv4_is_itself() {
        let at = |text: &str| network(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2:3:4:5:6"), at("2001:db8:1:2:ffff::1"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
    }
}
