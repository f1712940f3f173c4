//! A long-lived program notices that its lease has ended, and can log in again.

use std::io::Write;

use anyhow::ensure;
use countersign_client::ActivationFilter;

use super::{
    c_program,
    tool::Bench,
    waits::{must_print, ready, start},
};

#[test]
fn a_program_logs_in_again_after_its_lease_was_locked() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    let (mut waiting, mut go_on) = ready(&bench, "lease-ends")?;
    lock(&bench)?;
    go_on.write_all(b"\n")?;
    must_print(&mut waiting, "ready\n")?;
    lock(&bench)?;
    drop(go_on);
    let (text, _) = waiting.end()?;
    ensure!(text.contains("lease-ends ok"), "{text}");
    let told = text.matches("is locked for this program again").count();
    ensure!(told == 2, "the end was reported {told} times:\n{text}");
    let all = bench
        .deployment
        .requester
        .activations(ActivationFilter::All)?;
    ensure!(all.len() == 3, "{} requests instead of 3", all.len());
    Ok(())
}

#[test]
fn a_key_is_opened_again_after_its_lease_was_locked() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    let mut command = bench.tool(c_program::compiled(&bench)?)?;
    command
        .arg(bench.module()?)
        .arg("lease-of-a-key-ends")
        .env("COUNTERSIGN_WAIT_IN", "sign");
    let (mut waiting, go_on) = start(command)?;
    must_print(&mut waiting, "ready\n")?;
    lock(&bench)?;
    drop(go_on);
    let (text, _) = waiting.end()?;
    ensure!(text.contains("lease-of-a-key-ends ok"), "{text}");
    Ok(())
}

/// Locks the HSM as a user does.
fn lock(bench: &Bench) -> anyhow::Result<()> {
    let id = bench.activation()?.id();
    let mut command = bench.program("countersign")?;
    command.args(["activation", "lock", id.as_str()]);
    bench.ok(&mut command)?;
    Ok(())
}
