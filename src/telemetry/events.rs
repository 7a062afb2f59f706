//! Every event that operators may count on, each in one place, so that what a line may hold can be seen at
//! once: no secret, no key, no token, no survey row, nothing of a body.

use std::time::Duration;

use super::start;

/// A request that was answered.
pub struct Request<'a> {
    /// Its id, the caller's own or ours.
    pub request_id: &'a str,
    /// The trace that it belongs to, if the caller said so.
    pub trace_id: Option<&'a str>,
    /// Who asked; `-` when unknown.
    pub caller: &'a str,
    /// A standard method, or `other`.
    pub method: &'static str,
    /// The route's template, or `other`.
    pub route: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The error's code; `-` without one.
    pub code: &'static str,
    /// `hit`, `stale`, `miss`, `partial`, or `none`.
    pub cache: &'static str,
    /// Parts of the answer that were held and fresh.
    pub parts_hit: u32,
    /// Parts that were served stale.
    pub parts_stale: u32,
    /// Parts that were fetched, by this request's calls or another's.
    pub parts_fetched: u32,
    /// Parts that the vendor has no row for.
    pub parts_absent: u32,
    /// Vendor calls that this request caused.
    pub vendor_calls: u32,
    /// The time they took.
    pub vendor_time: Duration,
    /// From the request's head to its answer.
    pub time: Duration,
}

/// The `code` of a request that was not answered: its caller left before.
pub const CALLER_LEFT: &str = "caller_left";

/// The target of the requests' lines, by which a filter names them.
pub(super) const ACCESS: &str = "wesal_gateway::access";

/// One line a request, whatever came of it.
pub fn request(request: &Request<'_>) {
    if let Some(lines) = start::json_lines() {
        if tracing::enabled!(target: ACCESS, tracing::Level::INFO) {
            lines.request(request);
        }
    } else {
        request_event(request);
    }
}

/// The same as an event like any other.
pub(super) fn request_event(request: &Request<'_>) {
    tracing::info!(
        target: ACCESS,
        request_id = request.request_id,
        trace_id = request.trace_id,
        caller = request.caller,
        method = request.method,
        route = request.route,
        status = request.status,
        code = request.code,
        cache = request.cache,
        parts_hit = request.parts_hit,
        parts_stale = request.parts_stale,
        parts_fetched = request.parts_fetched,
        parts_absent = request.parts_absent,
        vendor_calls = request.vendor_calls,
        vendor_ms = milliseconds(request.vendor_time),
        total_ms = milliseconds(request.time),
        "request"
    );
}

/// The vendor took the service login.
pub fn logged_in(life: Option<Duration>) {
    let life = life.map(|life| life.as_secs());
    tracing::info!(token_life_seconds = life, "logged in at the vendor");
}

/// The vendor refuses the service login.
pub fn login_refused(next_try: Duration) {
    tracing::error!(
        next_try_seconds = next_try.as_secs(),
        "the vendor refuses the service login: check upstream.client_id, upstream.email and its password"
    );
}

/// The vendor refused the service login before this process began, with the same credentials, or may have: the process of
/// before ended while it was being asked.
pub fn login_refused_before(next_try: Duration, file: &std::path::Path) {
    tracing::error!(
        next_try_seconds = next_try.as_secs(),
        file = %file.display(),
        "the vendor refused the service login before this start, or was being asked when the process ended, and asking again \
         soon locks accounts: check upstream.client_id, upstream.email and its password; if they are good now, remove \
         this file and start again"
    );
}

/// No folder is set or known in which a refused login could be remembered.
pub fn refusals_not_remembered() {
    tracing::info!("a refused login is not remembered across restarts: upstream.login.state_dir names no folder");
}

/// The file that remembers a refused login cannot be changed.
pub fn refusal_not_recorded(file: &std::path::Path, reason: &std::io::Error) {
    let reason = reason as &dyn std::error::Error;
    tracing::warn!(file = %file.display(), reason, "it cannot be remembered whether the vendor refuses the service login: a restart will ask at once (upstream.login.state_dir)");
}

/// The service login's password was changed through the gateway, which uses the new one from now on.
pub fn password_taken_over(in_a_file: bool) {
    if in_a_file {
        tracing::info!("the service login has a new password; upstream.password_file holds it");
    } else {
        tracing::warn!(
            "the service login has a new password, and the configuration still holds the old one: change it"
        );
    }
}

/// The vendor refuses a password after it had taken a new one.
pub fn password_refused() {
    tracing::error!(
        "the service login is refused since its password was changed: the new one and the one before are tried by turns; \
         upstream.password_file holds the new one"
    );
}

/// It is not known whether the service login's password was changed, or the file could not be replaced.
pub fn password_left_beside(file: &std::path::Path) {
    tracing::error!(file = %file.display(), "this file holds a password that may be the service login's by now: try it, then remove it");
}

/// A new password cannot be written down, so the vendor was not asked to change it.
pub fn password_not_written(file: &std::path::Path, reason: &std::io::Error) {
    let reason = reason as &dyn std::error::Error;
    tracing::error!(file = %file.display(), reason, "nothing can be written beside upstream.password_file: the password was not changed");
}

/// The service login did not come to an answer.
pub fn login_failed(reason: &(dyn std::error::Error + 'static), next_try: Duration) {
    tracing::warn!(reason, next_try_seconds = next_try.as_secs(), "the login at the vendor failed");
}

/// A vendor call gave no answer, and no further try is made. `code` is the vendor's.
pub fn vendor_call_failed(route: &'static str, reason: &(dyn std::error::Error + 'static), tries: u32) {
    tracing::warn!(route, reason, tries, "a vendor call failed");
}

/// A queue answer holds rows that cannot be told apart; the query is treated as a whole for a while.
pub fn not_taken_apart(route: &'static str, queues: usize) {
    tracing::warn!(route, queues, "a queue answer cannot be taken apart: treated as a whole");
}

/// A credential was refused; which one is not told.
pub fn credential_refused(reason: &'static str, peer: std::net::IpAddr) {
    tracing::info!(reason, %peer, "a credential was refused");
}

/// Something panicked, which is a bug. Its message stays unread: it can hold anything.
pub fn panicked(location: Option<&std::panic::Location<'_>>) {
    let (file, line) = location.map_or(("?", 0), |location| (location.file(), location.line()));
    tracing::error!(file, line, "panicked");
}

/// A task that keeps house panicked.
pub fn task_restarted(task: &'static str) {
    tracing::error!(task, "a task that keeps house panicked, which is a bug: it begins anew");
}

/// So many of `what`, threads of the runtime or an accept loop, have not come round for so long.
pub fn stuck(what: &'static str, many: usize, length: Duration) {
    tracing::error!(what, many, seconds = length.as_secs(), "stuck, which is a bug: requests may wait for it");
}

/// They do again.
pub fn stuck_no_more(what: &'static str) {
    tracing::info!(what, "no longer stuck");
}

/// A listener serves.
pub fn listening(what: &'static str, address: &dyn std::fmt::Display) {
    tracing::info!(%address, "{what} listens");
}

/// The process may have more descriptors open than it began with.
pub fn descriptors_raised(before: u64, now: u64) {
    tracing::info!(before, now, "the limit of open descriptors was raised");
}

/// It may not have as many open as the configuration's bounds of connections come to.
pub fn few_descriptors(limit: u64, needed: u64) {
    tracing::warn!(
        limit,
        needed,
        "the limit of open descriptors is too low for server.max_connections: raise the hard limit"
    );
}

/// The process was told to end.
pub fn draining(in_flight: usize) {
    tracing::info!(in_flight, "draining: requests in flight are finished, then the process ends");
}

/// The configuration was read again: its callers, limits, freshness, vendor credentials and log filter hold from now on.
pub fn reloaded(callers: usize) {
    tracing::info!(callers, "the configuration was reloaded");
}

/// Settings of the configuration that was read again do not hold before a restart.
pub fn restart_needed(settings: &str) {
    tracing::warn!(settings, "these settings have changed, and need a restart to hold");
}

/// The configuration brought other credentials for the service login.
pub fn credentials_taken_over() {
    tracing::info!("the service login has other credentials: the gateway logs in with them");
}

/// The configuration was read again, and is not good: what held before still holds.
pub fn reload_refused(reason: &(dyn std::error::Error + 'static)) {
    tracing::error!(reason, "the configuration was not reloaded: what held before still holds");
}

/// An operator did something, with this status.
pub fn operator_acted(act: &'static str, status: u16, request_id: &str, peer: std::net::IpAddr) {
    tracing::info!(act, status, request_id, %peer, "an operator acted");
}

/// An operator purged kept answers.
pub fn purged(parts: u64, hard: bool) {
    tracing::info!(parts, hard, "kept answers were purged");
}

/// An operator chose which events are written.
pub fn log_filter_changed() {
    tracing::info!("the log filter was changed, until the configuration changes it or the process ends");
}

/// SIGHUP, where there is nothing to reload.
pub fn nothing_to_reload() {
    tracing::info!("SIGHUP: there is no configuration file to read again");
}

/// The drain is over.
pub fn drained(cut_off: usize) {
    if cut_off == 0 {
        tracing::info!("drained: every request was finished");
    } else {
        tracing::warn!(cut_off, "drained: the drain timeout cut connections off");
    }
}

/// A listener could not take a connection.
pub fn accept_failed(reason: &std::io::Error) {
    tracing::warn!(reason = reason as &dyn std::error::Error, "a connection could not be accepted");
}

/// The service manager cannot be told how things stand.
pub fn service_manager_not_told(reason: &std::io::Error) {
    tracing::warn!(reason = reason as &dyn std::error::Error, "the service manager cannot be told how things stand");
}

/// The process was told to end once more, while it drained.
pub fn drain_cut_short() {
    tracing::warn!("told to end once more: ending at once, with what is in flight cut off");
}

/// What a client sent is no HTTP request. The reason holds nothing of it.
pub fn malformed_request(reason: &(dyn std::error::Error + 'static)) {
    tracing::info!(reason, "malformed request");
}

/// A client did not come to a TLS connection.
pub fn handshake_failed(reason: &std::io::Error) {
    tracing::debug!(reason = reason as &dyn std::error::Error, "a TLS handshake failed");
}

/// A client did not finish its TLS handshake in time.
pub fn handshake_timed_out() {
    tracing::debug!("a TLS handshake was not finished within server.header_timeout");
}

/// The certificate's files have changed.
pub fn certificate_taken_over(not_after: Option<jiff::Timestamp>) {
    let not_after = not_after.map(|at| at.to_string());
    tracing::info!(not_after, "the certificate's files have changed: new connections are shown the new certificate");
}

/// The certificate's files have changed, and are not good.
pub fn certificate_refused(reason: &(dyn std::error::Error + 'static)) {
    tracing::error!(reason, "the certificate's files have changed, and are not good: the one before is still shown");
}

/// Traces cannot be sent. Told once, until it changes.
#[cfg(feature = "otlp")]
pub fn traces_not_taken(reason: &(dyn std::error::Error + 'static)) {
    tracing::warn!(
        reason,
        "the collector of telemetry.otlp_endpoint does not take traces: they are dropped until it does"
    );
}

/// Traces are sent again.
#[cfg(feature = "otlp")]
pub fn traces_taken() {
    tracing::info!("the collector of telemetry.otlp_endpoint takes traces again");
}

/// The process ends before all traces were sent.
pub fn traces_cut_off() {
    tracing::warn!("the collector of telemetry.otlp_endpoint did not take the last traces in time");
}

/// Something in the configuration that is no fault, but may not be meant.
pub fn configuration_warning(warning: &str) {
    tracing::warn!("{warning}");
}

fn milliseconds(time: Duration) -> f64 {
    // Three decimals: a microsecond.
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
