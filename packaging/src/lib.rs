//! Manual pages and shell completions of all programs, made from their command lines.

use std::{fs, path::Path};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

/// The command lines of all programs that are installed.
pub fn programs() -> [Command; 3] {
    [
        countersign_cli::command(),
        countersign_server::cli::command(),
        countersign_helper::cli::Cli::command(),
    ]
}

/// Writes `man/man1` and `completions` into the folder.
pub fn write_manuals(folder: &Path) -> anyhow::Result<()> {
    for command in programs() {
        write(command, folder)?;
    }
    Ok(())
}

/// The command with everything that its subcommands inherit.
fn built(command: &Command) -> Command {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    command
}

/// Writes the manual page of a command and those of its subcommands.
fn write_pages(command: Command, folder: &Path) -> anyhow::Result<()> {
    for subcommand in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(subcommand.clone(), folder)?;
    }
    let title = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    let title = title.to_uppercase();
    Man::new(command)
        .title(title)
        .source(format!("Countersign {}", env!("CARGO_PKG_VERSION")))
        .manual("Countersign")
        .generate_to(folder)?;
    Ok(())
}

fn write(mut command: Command, folder: &Path) -> anyhow::Result<()> {
    let manuals = folder.join("man/man1");
    fs::create_dir_all(&manuals)?;
    write_pages(built(&command), &manuals)?;
    let name = command.get_name().to_owned();
    for (shell, shell_name) in [
        (Shell::Bash, "bash"),
        (Shell::Zsh, "zsh"),
        (Shell::Fish, "fish"),
    ] {
        let completions = folder.join("completions").join(shell_name);
        fs::create_dir_all(&completions)?;
        generate_to(shell, &mut command, &name, &completions)?;
    }
    Ok(())
}
