use clap_complete::Shell;

use super::{Failed, output::print};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Which shell.
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, command: &mut clap::Command) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "wesal-gateway", &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(())
}
