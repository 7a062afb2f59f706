use super::{
    Failed,
    output::{complain, print},
    settings::ConfigFile,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let loaded = arguments.config.load()?;
    for warning in &loaded.warnings {
        complain(&format!("warning: {warning}\n"));
    }
    for setting in loaded.config.missing_credentials() {
        complain(&format!("warning: `serve` will refuse to start without {setting}\n"));
    }
    print(&loaded.config.effective())?;
    complain(&format!("{}: the configuration is good\n", arguments.config.config.display()));
    Ok(())
}
