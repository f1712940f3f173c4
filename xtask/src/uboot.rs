//! U-Boot's `fit_check_sign`, built once from Debian's source package: the verifier of signed FIT images.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, bail};

use crate::{build::target, run::run, setup};

/// `cargo xtask fit-check-sign`: prints where the program is.
///
/// # Errors
/// As [`fit_check_sign`].
pub fn print() -> anyhow::Result<()> {
    println!("{}", fit_check_sign()?.display());
    Ok(())
}

/// Builds `fit_check_sign` in `target/u-boot`, if it is not there.
///
/// # Errors
/// The source cannot be fetched or built.
pub fn fit_check_sign() -> anyhow::Result<PathBuf> {
    let folder = target()?.join("u-boot");
    let program = folder.join("fit_check_sign");
    if program.is_file() {
        return Ok(program);
    }
    setup::for_uboot()?;
    eprintln!("Building fit_check_sign from Debian's source of U-Boot");
    let lists = folder.join("lists");
    fs::create_dir_all(lists.join("partial"))?;
    let release = fs::read_to_string("/etc/os-release").context("this is no Debian")?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release names no version")?;
    let sources = folder.join("sources.list");
    fs::write(
        &sources,
        format!("deb-src http://deb.debian.org/debian {codename} main\n"),
    )?;
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .current_dir(&folder)
            // Standard output is for the path.
            .stdout(std::io::stderr())
            .arg("-q")
            .arg("-o")
            .arg(format!("Dir::Etc::sourcelist={}", sources.display()))
            .args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o"])
            .arg(format!("Dir::State::lists={}", lists.display()))
            // The folder belongs to whoever runs this, and to nobody else.
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
        bail!("the source package of U-Boot has no fit_check_sign");
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
