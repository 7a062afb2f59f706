use super::{Failed, output::print};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Of which command, such as `serve` or `keys new`; left out: of the program.
    command: Vec<String>,
}

/// Prints a page for man(1), in section 1. Nothing of it is written by hand: it says what `--help` says.
pub(super) fn run(arguments: &Arguments, program: clap::Command) -> Result<(), Failed> {
    // Each command has its `--help`; pages of `help` would say nothing else.
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut command = &program;
    for name in &arguments.command {
        let told = || Failed::WrongUse(format!("there is no command `{}`", arguments.command.join(" ")));
        command = command.find_subcommand(name).ok_or_else(told)?;
    }
    let page = clap_mangen::Man::new(command.clone())
        .source(format!("wesal-gateway {}", env!("CARGO_PKG_VERSION")))
        .manual("wesal-gateway");
    let mut text = Vec::new();
    page.render(&mut text)?;
    let text = String::from_utf8(text)?;
    // It has no date, and the writer leaves an empty one out, so that what follows would be taken for it.
    print(&format!("{}\n", text.replacen(" 1  ", " 1 \"\" ", 1).trim_end()))?;
    Ok(())
}
