//! Reads the configuration for the commands that need it.

use std::path::PathBuf;

use super::Failed;
use crate::{
    clock::{Clock, SystemClock},
    config::{Environment, Faults, Loaded, load},
};

/// Where the configuration is.
#[derive(clap::Args)]
pub(super) struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    pub(super) config: PathBuf,
}

impl ConfigFile {
    /// The checked configuration, or all that is wrong with it.
    pub(super) fn read(&self) -> Result<Loaded, Faults> {
        load(&self.config, &Environment::from_process(), SystemClock::new().wall())
    }

    /// The same, as a command's end.
    pub(super) fn load(&self) -> Result<Loaded, Failed> {
        self.read().map_err(|faults| Failed::Configuration(format!("{}\n", faults.to_string().trim_end())))
    }
}
