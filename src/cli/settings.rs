//! Reads the configuration for the commands that need it.

use std::path::PathBuf;

use super::Failed;
use crate::{
    clock::{Clock, SystemClock},
    config::{Environment, Loaded, Source},
    server::check_certificate_files,
};

/// Where the configuration is.
#[derive(clap::Args)]
pub(super) struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    pub(super) config: PathBuf,
}

impl ConfigFile {
    /// Where it can be read, and read again.
    pub(super) fn source(&self) -> Source {
        Source::new(&self.config, Environment::from_process())
    }

    /// The checked configuration, or all that is wrong with it.
    pub(super) fn load(&self) -> Result<Loaded, Failed> {
        self.source()
            .load(SystemClock::new().wall(), check_certificate_files)
            .map_err(|faults| Failed::Configuration(format!("{}\n", faults.to_string().trim_end())))
    }
}
