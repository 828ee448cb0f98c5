//! What a shell needs to know about the command: completions, and manual pages.

use super::exit::{Exit, Failure, say};
use super::files;
use super::output::say_whole;
use clap::Command;
use clap_complete::Shell;
use std::path::{Path, PathBuf};

/// Prints what lets a shell complete the command's words.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

const COMPLETIONS: &str = "\
Examples:
  squall completions bash > /etc/bash_completion.d/squall
  squall completions zsh > ~/.zfunc/_squall
  squall completions fish > ~/.config/fish/completions/squall.fish";

/// Writes the pages of the manual: `squall.1`, and one for each verb.
#[derive(Debug, clap::Args)]
#[command(after_help = MANUAL)]
pub(crate) struct Manual {
    /// The directory; without it, `squall.1` is printed.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

const MANUAL: &str = "\
Examples:
  squall man /usr/local/share/man/man1
  squall man | man -l -";

pub(crate) fn completions(arguments: &Completions, mut command: Command) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "squall", &mut text);
    say_whole(&String::from_utf8_lossy(&text));
    Ok(Exit::AsExpected)
}

pub(crate) fn manual(arguments: &Manual, mut command: Command) -> Result<Exit, Failure> {
    command.build();
    let Some(directory) = &arguments.directory else {
        say_whole(&String::from_utf8_lossy(&page(command)?.1));
        return Ok(Exit::AsExpected);
    };
    std::fs::create_dir_all(directory).map_err(|error| cannot(directory, &error))?;
    let verbs: Vec<Command> = command
        .get_subcommands()
        .filter(|it| !it.is_hide_set() && it.get_name() != "help")
        .cloned()
        .collect();
    let mut count = 0;
    for command in std::iter::once(command).chain(verbs) {
        let (name, text) = page(command)?;
        let path = directory.join(name);
        files::write(&path, &text).map_err(|error| cannot(&path, &error))?;
        count += 1;
    }
    let pages = squall_guarantees::counted(count, "page");
    say(format_args!("{pages} in {}", directory.display()));
    Ok(Exit::AsExpected)
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be written: {error}", path.display()))
}

/// A page's name and text.
fn page(command: Command) -> Result<(String, Vec<u8>), Failure> {
    let page = clap_mangen::Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text).map_err(Failure::new)?;
    Ok((page.get_filename(), text))
}
