use super::{Failed, block_on, settings::ConfigFile, signals::Stop};
use crate::{
    clock::SystemClock,
    config::{Config, Fingerprint, Source},
    server::{Bound, Drained, Gateway, Passed, allow_descriptors},
    telemetry::{self, events},
    upstream::left_beside,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let passed = Passed::to_this_process();
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
    if loaded.config.upstream.login.state_dir.is_none() {
        events::refusals_not_remembered();
    }
    allow_descriptors(&loaded.config);
    block_on(serve(&loaded.config, source, read, passed))
}

/// Serves until the process is told to end.
async fn serve(config: &Config, source: Source, read: Fingerprint, passed: Passed) -> Result<(), Failed> {
    let (stop, again) = (Stop::listen()?, Stop::listen()?);
    let gateway = Gateway::new(config, SystemClock::shared())?;
    gateway.reload_from(source, read);
    let reloader = gateway.reloader();
    let bound = Bound::take_over(config, passed).await?;
    let told = stop.told(|| reloader.ask());
    tokio::select! {
        // What begins a drain is heard here before anybody can see it begin, so that the second signal does not become one with
        // the first.
        biased;
        () = again.told_twice() => {
            events::drain_cut_short();
            Err(Failed::Said)
        }
        drained = gateway.serve(bound, told) => match drained {
            Drained { cut_off: 0 } => Ok(()),
            Drained { .. } => Err(Failed::Said),
        },
    }
}
