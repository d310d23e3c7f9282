//! `completions` and `man`.

use std::io::{self, Write};

use clap::CommandFactory;

use crate::{arguments::Arguments, exit::CommandResult};

pub(crate) fn completions(shell: clap_complete::Shell) -> CommandResult {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    print(&text)
}

pub(crate) fn page() -> CommandResult {
    let mut text = Vec::new();
    let command = Arguments::command();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for subcommand in command.get_subcommands() {
        clap_mangen::Man::new(subcommand.clone()).render_synopsis_section(&mut text)?;
        clap_mangen::Man::new(subcommand.clone()).render_options_section(&mut text)?;
    }
    print(&text)
}

fn print(text: &[u8]) -> CommandResult {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    Ok(())
}
