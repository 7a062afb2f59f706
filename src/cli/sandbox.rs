use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::{net::TcpListener, sync::oneshot};
use wesal_simulator::{Latency, Options, Simulator};

use super::{Failed, block_on, output::print, signals::Stop};
use crate::{
    auth::ApiKey,
    clock::{Clock, SystemClock},
    config::{CallerConfig, Config, KeyHash, Secret},
    model::{CallerName, QueueId, Scope},
    server::{Bound, Drained, Gateway, StartError},
    telemetry::{self, events},
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The gateway's port on loopback.
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// What calls to a vendor across a network take, about.
const LATENCY: Latency = Latency { base: Duration::from_millis(120), jitter: Duration::from_millis(30) };

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    block_on(serve(arguments.port))
}

async fn serve(port: u16) -> Result<(), Failed> {
    let (stop, again) = (Stop::listen()?, Stop::listen()?);
    let simulator = Simulator::new(Options { latency: LATENCY, ..Options::default() });
    let vendor = TcpListener::bind(loopback(0)).await.context("cannot listen on loopback")?;
    let vendor_address = vendor.local_addr()?;
    let key = ApiKey::generate()?;
    let config = configuration(&simulator, vendor_address, port, &key)?;
    let _log = telemetry::start(&config.telemetry)?;

    let gateway = Gateway::new(&config, SystemClock::shared())?;
    let bound = Bound::bind(&config).await.map_err(without_settings)?;
    let address = bound.public_address().unwrap_or(loopback(port));
    let admin = bound.admin_address().map(|address| address.to_string()).unwrap_or_default();
    print(&greeting(&simulator, address, vendor_address, &admin, &key))?;

    let (end_vendor, vendor_ended) = oneshot::channel::<()>();
    let vendor = tokio::spawn(simulator.serve(vendor, async {
        // Ends also when the sender is dropped.
        let _ = vendor_ended.await;
    }));
    let drained = tokio::select! {
        // As `serve` does.
        biased;
        () = again.told_twice() => {
            events::drain_cut_short();
            return Err(Failed::Said);
        }
        drained = gateway.serve(bound, stop.told(events::nothing_to_reload)) => drained,
    };
    drop(end_vendor);
    vendor.await??;
    match drained {
        Drained { cut_off: 0 } => Ok(()),
        Drained { .. } => Err(Failed::Said),
    }
}

/// The remedies of a gateway with settings are none here.
fn without_settings(error: StartError) -> anyhow::Error {
    match error {
        StartError::Listen { address, reason, .. } => {
            anyhow::anyhow!("cannot listen on {address}: {reason}; --port names another port")
        }
        other => other.into(),
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn configuration(simulator: &Simulator, vendor: SocketAddr, port: u16, key: &ApiKey) -> anyhow::Result<Config> {
    let credentials = simulator.credentials();
    let mut config = Config::default();
    config.server.listen = loopback(port).into();
    config.admin.listen = Some(loopback(0).into());
    config.upstream.base_url = format!("http://{vendor}/api/v1");
    config.upstream.client_id = Secret::new(&credentials.client_id);
    config.upstream.email = Secret::new(&credentials.email);
    config.upstream.password = Secret::new(&credentials.password);
    // What `/metrics` tells of queues, to look at.
    let ids = simulator.queue_ids();
    config.telemetry.queue_gauges.queues =
        ids.iter().take(3).map(|id| QueueId::try_from(id.clone())).collect::<Result<_, _>>()?;
    config.telemetry.queue_gauges.fields = ["onQueue", "waiting"].map(str::to_owned).to_vec();
    config.callers = vec![CallerConfig {
        name: CallerName::try_from("demo".to_owned())?,
        key_hashes: vec![KeyHash::new(key.hash())],
        scopes: Scope::ALL.to_vec(),
        companies: None,
        queues: None,
        rate_limit: None,
        expires: None,
        enabled: true,
        may_refresh: true,
        login: Some("demo@example.com".to_owned()),
    }];
    Ok(config)
}

fn greeting(simulator: &Simulator, gateway: SocketAddr, vendor: SocketAddr, admin: &str, key: &ApiKey) -> String {
    let mut text = format!(
        "wesal-gateway sandbox: a gateway with a simulated Wesal behind it.

  gateway          http://{gateway}/api/v1
  demo key         {}
  documentation    http://{gateway}/docs   (of the API, where each request can be tried)
  dashboard        http://{admin}/   (how all stands, as it goes on)
  vendor's page    http://{vendor}/   (how often the gateway really asked)
  health           http://{gateway}/readyz, and for operators http://{admin}/readyz
  metrics          http://{admin}/metrics   (of three queues also how many wait)

Paste any of these; the second time, look at Cache-Status:

",
        key.expose()
    );
    for (title, curl) in curls(simulator, gateway, key) {
        text.push_str(&format!("# {title}\n{curl}\n\n"));
    }
    text.push_str("Ctrl-C ends it.\n\n");
    text
}

/// One command a route, each as the vendor's reference writes it, with the address and the credential exchanged.
fn curls(simulator: &Simulator, gateway: SocketAddr, key: &ApiKey) -> Vec<(&'static str, String)> {
    let now = SystemClock::new().wall();
    let hour_ago = now.saturating_sub(jiff::SignedDuration::from_hours(1)).unwrap_or(now);
    let interval = format!("{hour_ago:.3}/{now:.3}");
    let today = now.to_string().chars().take(10).collect::<String>();
    let ids = simulator.queue_ids();
    let queues = ids.iter().take(3).map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ");
    let key = key.expose();
    let get = |path: &str| format!("curl -i http://{gateway}/api/v1{path} -H 'Authorization: {key}'");
    let post =
        |path: &str, body: &str| format!("{} \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'", get(path));
    // The reference bears no Authorization here, so the key stands where it has the client id.
    let account = |path: &str, body: &str| post(path, body).replace("Authorization", "X-Client-Id");
    vec![
        ("Organization", get("/queries/organization")),
        ("Questions", get("/survey/queries/questions/100301")),
        (
            "Surveys",
            post(
                "/survey/queries/surveys",
                &format!(
                    r#"{{"filters": [{{"dimension": "dateTime", "value": {{"startTime": "2023-12-12T00:00:00", "endTime": "{today}T00:00:00"}}}}], "companyId": 100301, "offset": 0, "limit": 5}}"#
                ),
            ),
        ),
        ("Queues: summary", post("/analytics/runtime/queues/summary", &format!(r#"{{"queues": [{queues}]}}"#))),
        ("Queues: activity", post("/analytics/runtime/queues/activity", &format!(r#"{{"queues": [{queues}]}}"#))),
        (
            "Queues: performance of the last hour",
            post(
                "/analytics/queues/performance",
                &format!(r#"{{"queues": [{queues}], "interval": "{interval}", "partial": true}}"#),
            ),
        ),
        (
            "Login, for apps that speak Wesal's: the key is the password",
            format!(
                "curl -i http://{gateway}/api/v1/auth/login -H 'X-Client-Id: RW5jb2RlIHRvIEJhc2U2NCBmb3JtYXQ=' \\\n  -H \
                 'Content-Type: application/json' \\\n  -d '{{\"email\": \"demo@example.com\", \"password\": \"{key}\"}}'"
            ),
        ),
        ("Logout, as the reference's example calls it", get("/auth/logout")),
        ("Logout, as its text calls it", get("/auth/reset_pwd")),
        (
            "Password reset, step 1: refused by this vendor, which does not know the address",
            account("/auth/reset", r#"{"method": "email", "email": "someone@example.com", "phone": ""}"#),
        ),
        (
            "Password reset, step 2: refused likewise",
            account(
                "/auth/verify",
                r#"{"method": "email", "email": "someone@example.com", "verifyCode": "iZvqjoUPKJvhf2XcU1ES", "otp": "", "password": "123456789"}"#,
            ),
        ),
    ]
}
