//! Manual pages and shell completions of all programs, made from their command lines.

use std::{fs, path::Path};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};

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

fn write(mut command: Command, folder: &Path) -> anyhow::Result<()> {
    let manuals = folder.join("man/man1");
    fs::create_dir_all(&manuals)?;
    clap_mangen::generate_to(command.clone(), &manuals)?;
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
