use clap::Subcommand;

use super::{Failed, output::print};
use crate::{auth::ApiKey, config::KeyHash, model::CallerName};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print a new key, once, and the block for the configuration, which holds only its hash.
    New {
        /// The caller's name: 1 to 64 of a-z, 0-9, '-', '_'.
        #[arg(long, default_value = "my-app", value_parser = caller_name)]
        name: CallerName,
    },
}

fn caller_name(text: &str) -> Result<CallerName, String> {
    CallerName::try_from(text.to_owned()).map_err(|error| error.to_string())
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let Command::New { name } = &arguments.command;
    let key = ApiKey::generate()?;
    let hash = KeyHash::new(key.hash());
    print(&format!(
        "The key, for the app that will use it. It is shown this once and kept nowhere:

{}

The block for config.toml. A caller may have several hashes, so that a key can be replaced without a gap:

[[callers]]
name = \"{name}\"
key_hashes = [\"{hash}\"]
scopes = [\"organization\", \"questions\", \"queues\"]   # also \"surveys\": rows with personal data
",
        key.expose()
    ))?;
    Ok(())
}
