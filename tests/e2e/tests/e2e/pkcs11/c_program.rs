//! A C program uses the module: threads, forks and the whole life cycle, also under valgrind.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use countersign_client::ActivationFilter;
use countersign_harness::deployment::{EC_KEY, RSA_KEY};

use super::tool::Bench;
use crate::say;

/// Compiles the program at the first call and returns its path.
pub fn compiled(bench: &Bench) -> anyhow::Result<PathBuf> {
    let program = bench.path("client");
    if !program.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/pkcs11/client.c");
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

/// Process id of the running program.
pub fn process(bench: &Bench) -> anyhow::Result<u32> {
    let program = compiled(bench)?;
    let processes = std::fs::read_dir("/proc")?.filter_map(Result::ok);
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|process: &u32| {
            std::fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|exe| exe == program)
        })
        .context("the program is not running")
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
fn the_module_follows_the_standard() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
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

/// Neither custodians are asked for approval nor users for a PIN.
#[test]
fn a_login_that_is_not_needed_returns_at_once() -> anyhow::Result<()> {
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
    // An unsupported mechanism, here CKM_SHA1_RSA_PKCS, is rejected and named before approval is requested.
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
fn valgrind_finds_no_leak_and_no_invalid_access() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
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
