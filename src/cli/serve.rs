use super::{Failed, block_on, settings::ConfigFile, signals::Stop};
use crate::{
    clock::SystemClock,
    config::{Config, Fingerprint, Source},
    server::{Bound, Drained, Gateway},
    telemetry::{self, events},
    upstream::left_beside,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    // Before it is read: what changes meanwhile is seen as soon as the gateway serves.
    let source = arguments.config.source();
    let read = source.fingerprint();
    let loaded = arguments.config.load()?;
    let missing = loaded.config.missing_credentials();
    if !missing.is_empty() {
        let settings = missing.iter().map(|setting| format!("  {setting}\n")).collect::<String>();
        let told = "The gateway cannot log in at Wesal without these settings (`wesal-gateway sandbox` needs none):";
        return Err(Failed::Configuration(format!("{told}\n{settings}")));
    }
    let _log = telemetry::start(&loaded.config.telemetry)?;
    for warning in &loaded.warnings {
        events::configuration_warning(warning);
    }
    if let Some(left) = loaded.config.upstream.password.file().and_then(left_beside) {
        events::password_left_beside(&left);
    }
    block_on(serve(&loaded.config, source, read))
}

/// Serves until the process is told to end.
async fn serve(config: &Config, source: Source, read: Fingerprint) -> Result<(), Failed> {
    let stop = Stop::listen()?;
    let gateway = Gateway::new(config, SystemClock::shared())?;
    gateway.reload_from(source, read);
    let reloader = gateway.reloader();
    let bound = Bound::bind(config).await?;
    match gateway.serve(bound, stop.told(|| reloader.ask())).await {
        Drained { cut_off: 0 } => Ok(()),
        Drained { .. } => Err(Failed::Said),
    }
}
