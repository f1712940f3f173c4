//! A server that becomes silent: every function of the module ends, and says for whom it waits.

use std::{process::Command, time::Duration};

use anyhow::{Context, ensure};

use super::{
    c_program,
    tool::Bench,
    waits::{must_print, start},
};

/// The limits of the functions add up to less than a minute; this leaves room for a busy machine.
const CEILING: Duration = Duration::from_secs(110);

#[test]
fn no_function_waits_forever_or_without_a_word() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    let mut command = bench.tool(c_program::compiled(&bench)?)?;
    command
        .arg(bench.module()?)
        .arg("silence")
        .env("COUNTERSIGN_PATIENCE_SECONDS", "8")
        .env("COUNTERSIGN_SIGN_SECONDS", "8");
    let (mut waiting, go_on) = start(command)?;
    must_print(&mut waiting, "ready\n")?;
    let server = bench.deployment.server.as_ref();
    let process = server
        .context("the server is not running")?
        .program
        .id()
        .to_string();
    let signal = |name: &str| Command::new("kill").args([name, &process]).status();
    signal("-STOP")?;
    drop(go_on);
    let ended = waiting.end();
    signal("-CONT")?;
    let (text, took) = ended?;
    for result in [
        "C_Sign 0x30",
        "C_GetSlotList 0",
        "C_GetSessionInfo",
        "C_Login 0x30",
    ] {
        ensure!(
            text.lines().any(|line| line == result),
            "no line {result:?}:\n{text}"
        );
    }
    // C_Sign, C_GetSlotList and C_Login wait longer than a few seconds.
    let told = text
        .matches("still waiting for an answer from http")
        .count();
    ensure!(told >= 3, "{told} functions said that they wait:\n{text}");
    ensure!(took < CEILING, "{took:?}");
    Ok(())
}
