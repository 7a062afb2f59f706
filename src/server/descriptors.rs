//! How many descriptors the process may have open.

use rlimit::Resource;

use super::gateway::operators_connections;
use crate::{config::Config, telemetry::events};

/// Beside those of connections: files, what the runtime needs.
const OTHERS: u64 = 100;

/// Raises the limit as far as the system lets it. A process begins with a small one (1024, in most containers) for the sake of
/// programs that could not bear more descriptors; this one can.
pub fn allow_descriptors(config: &Config) {
    // A filter of system calls may forbid even to ask: then nothing is known, and nothing said.
    let Ok((soft, hard)) = Resource::NOFILE.get() else { return };
    let limit = match Resource::NOFILE.set(hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    if limit > soft {
        events::descriptors_raised(soft, limit);
    }
    let needed = needed(config);
    if limit < needed {
        events::few_descriptors(limit, needed);
    }
}

fn needed(config: &Config) -> u64 {
    let callers = config.server.max_connections.get();
    let operators = config.admin.listen.as_ref().map_or(0, |_| operators_connections(callers));
    let connections = callers.saturating_add(operators).saturating_add(config.upstream.max_connections.get());
    u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS)
}
