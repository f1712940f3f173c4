//! A C program against the module: threads, forks, the whole life cycle, under valgrind too.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use countersign_client::ActivationFilter;
use countersign_harness::deployment::{EC_KEY, RSA_KEY};

use super::tool::{Bench, say};

/// The program, compiled.
pub fn compiled(bench: &Bench) -> anyhow::Result<PathBuf> {
    let program = bench.path("client");
    if !program.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pkcs11/client.c");
        bench.ok(bench
            .tool("gcc")?
            .args([
                "-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o",
            ])
            .arg(&program)
            .arg(source)
            .arg("-ldl"))?;
    }
    Ok(program)
}

/// Number of the running program's process.
pub fn process(bench: &Bench) -> anyhow::Result<u32> {
    let program = compiled(bench)?;
    let processes = std::fs::read_dir("/proc")?.filter_map(Result::ok);
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|process: &u32| {
            std::fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|exe| exe == program)
        })
        .context("the program does not run")
}

fn client(bench: &Bench, what: &str) -> anyhow::Result<Command> {
    let mut command = bench.tool(compiled(bench)?)?;
    command
        .arg(bench.module()?)
        .arg(what)
        .env("COUNTERSIGN_SIGNATURES", "1000");
    Ok(command)
}

#[test]
fn functions_keep_to_the_standard() -> anyhow::Result<()> {
    let bench = Bench::with_agreeing_custodians()?;
    bench.make_certificates()?;
    for what in [
        "rules",
        "threads",
        "fork",
        "finalize-in-the-middle",
        "unload",
        "exit",
    ] {
        bench.ok(&mut client(&bench, what)?)?;
        say(what);
    }
    Ok(())
}

/// Nobody is asked, neither custodians for approval nor people for a PIN.
#[test]
fn a_login_that_is_not_needed_waits_for_nobody() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    bench.ok(client(&bench, "login-not-needed")?.env("COUNTERSIGN_WAIT_IN", "sign"))?;
    let module = bench.module_text()?;
    let p11tool = ["--provider", &module, "--login", "--list-all"];
    let opensc = ["--module", &module, "--login", "--list-objects"];
    for (program, arguments) in [("p11tool", p11tool), ("pkcs11-tool", opensc)] {
        let text = bench.ok(bench
            .tool(program)?
            .args(arguments)
            .env("COUNTERSIGN_WAIT_IN", "sign"))?;
        ensure!(text.contains(EC_KEY), "{text}");
    }
    // What cannot be signed is refused before anybody is asked, and named: CKM_SHA1_RSA_PKCS.
    let id = bench.key(RSA_KEY)?.id;
    let text = bench.fails(
        bench
            .tool("pkcs11-tool")?
            .args(["--module", &module, "--sign", "-m", "SHA1-RSA-PKCS"])
            .args(["--id", &id, "-i", "data", "-o", "signature"])
            .env("COUNTERSIGN_WAIT_IN", "sign"),
    )?;
    ensure!(text.contains("mechanism 0x6"), "{text}");
    ensure!(
        bench
            .deployment
            .requester
            .activations(ActivationFilter::All)?
            .is_empty()
    );
    Ok(())
}

#[test]
fn nothing_is_lost_and_nothing_invalid() -> anyhow::Result<()> {
    let bench = Bench::with_agreeing_custodians()?;
    bench.make_certificates()?;
    let mut command = bench.tool("valgrind")?;
    command
        .args([
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible",
        ])
        .args(["--error-exitcode=99", "--quiet", "--trace-children=no"])
        .arg(compiled(&bench)?)
        .arg(bench.module()?)
        .arg("cycle");
    let text = bench.ok(&mut command)?;
    ensure!(text.contains("cycle ok"), "{text}");
    Ok(())
}
