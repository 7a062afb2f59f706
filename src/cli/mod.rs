//! What an operator can type, one command a file. Exit codes: 0 good; 1 failed; 2 wrong use or configuration.

mod check;
mod completions;
mod health;
mod keys;
mod man;
mod output;
#[cfg(feature = "sandbox")]
mod sandbox;
mod schema;
mod serve;
mod settings;
mod signals;
#[cfg(feature = "sandbox")]
mod simulate;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// A caching API gateway for the Wesal API.
#[derive(Parser)]
#[command(name = "wesal-gateway", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Arguments),
    /// Run the gateway with a simulated vendor in the same process: no file, no network, no account needed.
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::Arguments),
    /// Run the simulated vendor alone.
    #[cfg(feature = "sandbox")]
    Simulate(simulate::Arguments),
    /// Say whether the configuration is good, and print the effective one without secrets.
    Check(check::Arguments),
    /// Make keys for callers.
    Keys(keys::Arguments),
    /// Print the JSON Schema of the settings.
    Schema,
    /// Ask a running gateway whether it is ready; exit 0 if it is.
    Health(health::Arguments),
    /// Print a shell's completion script.
    Completions(completions::Arguments),
    /// Print a page of the manual, for man(1).
    Man(man::Arguments),
}

/// Why a command did not end well.
enum Failed {
    /// Exit code 1.
    Because(anyhow::Error),
    /// Exit code 1; all has been said.
    Said,
    /// Exit code 2: there is no such thing as was asked for.
    WrongUse(String),
    /// Exit code 2: the configuration is wrong.
    Configuration(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Because(error.into())
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => sandbox::run(&arguments),
        #[cfg(feature = "sandbox")]
        Command::Simulate(arguments) => simulate::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Schema => schema::run(),
        Command::Health(arguments) => health::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, &mut Arguments::command()),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Because(error)) => {
            output::complain(&format!("error: {error:#}\n"));
            ExitCode::from(1)
        }
        Err(Failed::Said) => ExitCode::from(1),
        Err(Failed::WrongUse(told)) => {
            output::complain(&format!("error: {told}\n"));
            ExitCode::from(2)
        }
        Err(Failed::Configuration(faults)) => {
            output::complain(&faults);
            ExitCode::from(2)
        }
    }
}

/// Runs a server to its end. What then still hangs, such as a look-up of a name, does not hold the process.
fn block_on<T>(server: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(server);
    runtime.shutdown_background();
    done
}
