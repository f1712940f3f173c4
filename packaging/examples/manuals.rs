//! Writes the manual pages and shell completions of all programs into a folder: `cargo xtask dist`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .context("the first argument must name the folder to write to")?
        .into();
    for command in [
        countersign_cli::command(),
        countersign_server::cli::command(),
        countersign_helper::cli::Cli::command(),
    ] {
        write(command, &folder).with_context(|| format!("cannot write to {}", folder.display()))?;
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
