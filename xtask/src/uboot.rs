//! U-Boot's `fit_check_sign`, the verifier of signed FIT images, built once from Debian's source package.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, bail};

use crate::{build::target, run::run, setup};

/// `cargo xtask fit-check-sign`: builds the program if necessary and prints its path.
pub fn print() -> anyhow::Result<()> {
    println!("{}", fit_check_sign()?.display());
    Ok(())
}

/// Builds `target/u-boot/fit_check_sign` unless it exists.
///
/// # Errors
/// The source cannot be downloaded or compiled.
fn fit_check_sign() -> anyhow::Result<PathBuf> {
    let folder = target()?.join("u-boot");
    let program = folder.join("fit_check_sign");
    if program.is_file() {
        return Ok(program);
    }
    setup::for_uboot()?;
    eprintln!("Building fit_check_sign from Debian's source of U-Boot");
    let lists = folder.join("lists");
    fs::create_dir_all(lists.join("partial"))?;
    let release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release has no VERSION_CODENAME, so this is not a Debian release")?;
    let sources = folder.join("sources.list");
    fs::write(
        &sources,
        format!("deb-src http://deb.debian.org/debian {codename} main\n"),
    )?;
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .current_dir(&folder)
            // Standard output is for the path of the program.
            .stdout(std::io::stderr())
            .arg("-q")
            .arg("-o")
            .arg(format!("Dir::Etc::sourcelist={}", sources.display()))
            .args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o"])
            .arg(format!("Dir::State::lists={}", lists.display()))
            // The folder belongs to the current user, so apt must not change to another one.
            .args(["-o", "APT::Sandbox::User=root"])
            .args(arguments);
        command
    };
    run(&mut apt(&["update"]))?;
    run(&mut apt(&["source", "u-boot"]))?;
    let source = fs::read_dir(&folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.join("tools/fit_check_sign.c").is_file());
    let Some(source) = source else {
        bail!("Debian's source package of U-Boot does not contain tools/fit_check_sign.c");
    };
    let make = |target: &str| {
        let mut command = Command::new("make");
        command
            .current_dir(&source)
            .stdout(std::io::stderr())
            .args(["-s", "-j2", target]);
        command
    };
    run(&mut make("tools-only_defconfig"))?;
    run(&mut make("tools-only"))?;
    fs::copy(source.join("tools/fit_check_sign"), &program)?;
    fs::remove_dir_all(&source)?;
    Ok(program)
}
