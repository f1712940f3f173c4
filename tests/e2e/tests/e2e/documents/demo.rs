//! The demo as README and docs/pools.md start it, and what they show next to it.
//!
//! `cargo xtask demo` builds the programs and then starts `countersign-demo` with the same options. The tests run while these
//! programs are in use, so only the second step is run here; `cargo xtask test` runs both steps at its end.

use std::path::Path;

use anyhow::{Context, ensure};
use countersign_harness::{
    page::Page,
    program::{Program, built},
    shell::Shell,
};

/// A shell in which `cargo xtask demo` starts the demo that was built with the tests.
pub fn shell(folder: &Path) -> anyhow::Result<Shell> {
    let shell = Shell::new(folder)?;
    let demo = built("countersign-demo")?;
    shell.stand_in(
        "cargo",
        &format!(
            "[ \"$1 $2\" = 'xtask demo' ] || exit 2\nshift 2\nexec {} \"$@\"",
            demo.display()
        ),
    )?;
    Ok(shell)
}

/// A running demo. It ends its own programs when it is terminated, but not when it is killed.
struct Demo(Option<Program>);

impl Drop for Demo {
    fn drop(&mut self) {
        let ended = self.0.take().map(Program::terminate);
        if let Some(Err(error)) = ended {
            eprintln!("{error:#}");
        }
    }
}

/// Starts the demo, and sets the variables of the two lines that it prints for another terminal.
fn start(shell: &mut Shell, command: &str) -> anyhow::Result<Demo> {
    let mut demo = Demo(Some(shell.start(command)?));
    let program = demo.0.as_mut().context("the demo was started")?;
    program.wait_for(|line| line.contains("Press Ctrl-C").then_some(()))?;
    let log = program.log();
    let lines: Vec<_> = log
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("export "))
        .collect();
    ensure!(lines.len() == 2, "{log}");
    shell.before(&lines.join("\n"));
    Ok(demo)
}

/// The first command below this heading that begins like this.
pub fn the_command(page: &Page, heading: &str, beginning: &str) -> anyhow::Result<String> {
    let commands = page.commands(heading)?.into_iter();
    let found = commands
        .into_iter()
        .find(|command| command.starts_with(beginning));
    found.with_context(|| format!("{}: {heading} has no `{beginning}`", page.name()))
}

#[test]
fn readme_signs_a_fit_image_with_the_demo() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut shell = shell(scratch.path())?;
    let page = Page::read("README.md")?;
    let heading = "## Sign a U-Boot FIT image";
    let _demo = start(
        &mut shell,
        &the_command(&page, heading, "cargo xtask demo")?,
    )?;
    let scripts = page.scripts(heading)?;
    let script = scripts.last().context("a script")?;
    shell.run(script)?;
    let verifier = built("u-boot/fit_check_sign")?;
    shell.stand_in(
        "fit_check_sign",
        &format!("exec {} \"$@\"", verifier.display()),
    )?;
    shell
        .run(&page.code_span("fit_check_sign")?)?
        .must_have("Signature check OK")?;
    Ok(())
}

#[test]
fn readme_signs_a_file_with_the_demo_alone() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let shell = shell(scratch.path())?;
    let page = Page::read("README.md")?;
    shell.write("FILE", "something to sign")?;
    let command = the_command(
        &page,
        "## Try it without hardware",
        "cargo xtask demo --auto",
    )?;
    shell.run(&command)?.must_have("The demo succeeded")
}

#[test]
fn the_page_on_pools_signs_with_three_hsms() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let mut shell = shell(scratch.path())?;
    let page = Page::read("docs/pools.md")?;
    let scripts = page.scripts("## Try it")?;
    let [begin, use_it] = scripts.as_slice() else {
        anyhow::bail!("{} scripts instead of 2", scripts.len());
    };
    let _demo = start(&mut shell, begin)?;
    for name in ["a", "b", "c"] {
        shell.write(format!("out/{name}.bin"), name)?;
    }
    let printed = shell.run(use_it)?;
    for hsm in ["release", "release-2", "release-3"] {
        printed.must_have(hsm)?;
    }
    ensure!(shell.path("out/c.bin.sig").exists());
    Ok(())
}
