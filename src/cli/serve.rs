use super::{Failed, block_on, settings::ConfigFile, signals::Stop};
use crate::{
    clock::SystemClock,
    config::Config,
    server::{Bound, Drained, Gateway, Passed, Reloader, while_reloading},
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
    block_on(serve(&arguments.config, &loaded.config, passed))
}

/// Reads the configuration again. One that is not good changes nothing.
fn reload(file: &ConfigFile, reloader: &Reloader) {
    let loaded = match file.read() {
        Ok(loaded) => loaded,
        Err(faults) => return events::reload_refused(&faults),
    };
    match reloader.reload(&loaded.config) {
        Ok(()) => {
            loaded.warnings.iter().for_each(|warning| events::configuration_warning(warning));
            events::reloaded(loaded.config.callers.len());
        }
        Err(no_callers) => events::reload_refused(&no_callers),
    }
}

/// Serves until the process is told to end.
async fn serve(file: &ConfigFile, config: &Config, passed: Passed) -> Result<(), Failed> {
    let (stop, again) = (Stop::listen()?, Stop::listen()?);
    let gateway = Gateway::new(config, SystemClock::shared())?;
    let reloader = gateway.reloader();
    let bound = Bound::take_over(config, passed).await?;
    let told = stop.told(|| while_reloading(|| reload(file, &reloader)));
    tokio::select! {
        drained = gateway.serve(bound, told) => match drained {
            Drained { cut_off: 0 } => Ok(()),
            Drained { .. } => Err(Failed::Said),
        },
        () = again.told_twice() => {
            events::drain_cut_short();
            Err(Failed::Said)
        }
    }
}
