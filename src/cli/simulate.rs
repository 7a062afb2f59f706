use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::net::TcpListener;
use wesal_simulator::{FaultRule, Latency, Options, Simulator};

use super::{Failed, block_on, output::print, signals::Stop};
use crate::telemetry::events;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:9191")]
    listen: SocketAddr,
    /// What its data grow from: the same seed and time give the same figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long each answer takes, as in 120ms or 120ms+-30ms.
    #[arg(long, default_value = "0ms")]
    latency: Latency,
    /// How long its tokens live, as in 15m; for ever when left out.
    #[arg(long, value_parser = duration)]
    token_ttl: Option<Duration>,
    /// What goes wrong by chance, as in unavailable:0.1 or summary/error:0.05; several with commas.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<FaultRule>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(span).map_err(|_| "a duration cannot be negative".to_owned())
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failed> {
    let Arguments { listen, seed, latency, token_ttl, faults } = arguments;
    let simulator = Simulator::new(Options { seed, latency, token_ttl, faults, ..Options::default() });
    block_on(async { Ok(serve(simulator, listen).await?) })
}

async fn serve(simulator: Simulator, listen: SocketAddr) -> anyhow::Result<()> {
    let stop = Stop::listen()?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let credentials = simulator.credentials();
    print(&format!(
        "The simulated vendor is at http://{address}/api/v1, and says what it was asked at http://{address}/

Settings for a gateway that is to use it:

[upstream]
base_url = \"http://{address}/api/v1\"
client_id = \"{}\"
email = \"{}\"
password = \"{}\"

Ctrl-C ends it.
",
        credentials.client_id, credentials.email, credentials.password
    ))?;
    simulator.serve(listener, stop.told(events::nothing_to_reload)).await?;
    Ok(())
}
