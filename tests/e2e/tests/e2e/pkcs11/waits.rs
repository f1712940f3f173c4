//! Every way in which the wait in `C_Login` ends has a return value and a line that says why. None of them hangs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use countersign_harness::{
    custodians::{Custodians, Reaction},
    wait::wait_for,
};
use countersign_protocol::activation::{ActivationState, ActivationView, EndReason};

use super::{
    c_program,
    tool::{Bench, run},
};

/// How long the module waits for a server that does not answer, in seconds.
const PATIENCE: u64 = 4;

/// A C program that logs in, prints the return value, and exits with 0 if that was `CKR_OK`.
fn login(bench: &Bench) -> anyhow::Result<Command> {
    let mut command = bench.tool(c_program::compiled(bench)?)?;
    command
        .arg(bench.module()?)
        .arg("login")
        .env("COUNTERSIGN_PATIENCE_SECONDS", PATIENCE.to_string());
    Ok(command)
}

/// A program that waits in the module.
pub struct Waiting(Child);

impl Waiting {
    fn start(bench: &Bench) -> anyhow::Result<(Self, ActivationView)> {
        let child = login(bench)?
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let waiting = Self(child);
        let view = wait_for(|| {
            Ok(bench
                .activation()
                .ok()
                .filter(|view| view.state == ActivationState::AwaitingApprovals))
        })?;
        Ok((waiting, view))
    }

    /// Waits for the program's end. Returns its output and how long it still ran.
    pub fn end(self) -> anyhow::Result<(String, Duration)> {
        let start = Instant::now();
        let output = self.0.wait_with_output()?;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok((text, start.elapsed()))
    }
}

pub fn must_return(text: &str, value: &str) -> anyhow::Result<()> {
    ensure!(
        text.lines().any(|line| line == format!("C_Login {value}")),
        "C_Login did not return {value}:\n{text}"
    );
    Ok(())
}

/// Checks that the output names the page on which to approve, and that it suits a build log.
fn must_suit_a_build_log(text: &str, view: &ActivationView) -> anyhow::Result<()> {
    let url = format!("/a/{}", view.id());
    ensure!(
        text.contains(&url),
        "the output does not name the page on which to approve:\n{text}"
    );
    ensure!(
        !text.contains('\x1b') && !text.contains('\r'),
        "the output contains control characters:\n{text:?}"
    );
    Ok(())
}

#[test]
fn login_returns_once_the_quorum_is_reached() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    std::thread::sleep(Duration::from_secs(3));
    bench.deployment.approve(
        &view.id(),
        [bench.deployment.anna(), bench.deployment.carla()],
    )?;
    let (text, _) = waiting.end()?;
    must_return(&text, "0x0")?;
    must_suit_a_build_log(&text, &view)?;
    for missing in ["Anna", "Ben", "Carla"] {
        ensure!(text.contains(missing), "{missing} is not named:\n{text}");
    }
    Ok(())
}

/// A narrow terminal must not cut off the names, so the remaining time then has a line of its own.
#[test]
fn a_terminal_of_any_width_shows_names_and_remaining_time() -> anyhow::Result<()> {
    for (columns, separate) in [(200, false), (40, true)] {
        let bench = Bench::new()?;
        let program = c_program::compiled(&bench)?;
        let command = format!(
            "stty columns {columns}; exec {} {} login",
            program.display(),
            bench.module()?.display()
        );
        let (_, text) = run(bench
            .tool("script")?
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("COUNTERSIGN_APPROVAL_SECONDS", "2"))?;
        let parts: Vec<_> = text.split(['\r', '\n']).collect();
        let live = parts.iter().filter(|part| part.contains("0:0")).count();
        ensure!(live > 1, "the remaining time was not updated:\n{text:?}");
        let names: Vec<_> = parts
            .iter()
            .filter(|part| part.contains("waiting for Anna, Ben or Carla"))
            .collect();
        ensure!(
            !names.is_empty() && names.iter().all(|part| part.contains("left") != separate),
            "{columns} columns:\n{text:?}"
        );
        must_return(&text, "0x50")?;
    }
    Ok(())
}

/// A build waits if an earlier build left its lease open. The module prints the command that ends that lease.
#[test]
fn login_names_the_own_lease_in_its_way_and_how_to_end_it() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    bench.ok(login(&bench)?.env("COUNTERSIGN_REASON", "the earlier build"))?;
    let before = bench.activation()?;
    let mut waiting = Waiting(
        login(&bench)?
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?,
    );
    let lines = BufReader::new(waiting.0.stderr.take().context("standard error is piped")?);
    let mut lines = lines.lines();
    let line = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains("the earlier build"))
        .context("the output does not name the earlier lease")?;
    let id = before.id();
    let command = line
        .split('`')
        .find(|part| part.starts_with("countersign activation"))
        .context(line.clone())?;
    ensure!(command.ends_with(id.as_str()), "{line}");
    // The module must not end the lease itself, because another program may still use it.
    let still = bench.deployment.requester.activation(&before.id())?;
    ensure!(
        matches!(still.state, ActivationState::Open { .. }),
        "{still:?}"
    );
    let arguments = command.split_whitespace().skip(1);
    bench.ok(bench.program("countersign")?.args(arguments))?;
    // The program blocks if its output is not read.
    lines.for_each(drop);
    let (text, _) = waiting.end()?;
    must_return(&text, "0x0")
}

#[test]
fn login_fails_when_custodians_decline() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let _custodians = Custodians::start(&bench.deployment, Reaction::Decline);
    let (status, text) = run(&mut login(&bench)?)?;
    ensure!(status == Some(1), "{status:?}: {text}");
    // CKR_FUNCTION_REJECTED
    must_return(&text, "0x200")?;
    ensure!(bench.end()? == EndReason::Declined, "{:?}", bench.end()?);
    ensure!(
        text.contains("declined by Anna (\"Not today\") and Ben (\"Not today\")"),
        "{text}"
    );
    Ok(())
}

#[test]
fn login_fails_when_too_few_custodians_approve_in_time() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (_, text) = run(login(&bench)?.env("COUNTERSIGN_APPROVAL_SECONDS", "2"))?;
    // CKR_FUNCTION_CANCELED
    must_return(&text, "0x50")?;
    ensure!(bench.end()? == EndReason::Expired, "{:?}", bench.end()?);
    ensure!(text.contains("expired"), "{text}");
    Ok(())
}

#[test]
fn login_survives_a_restart_of_the_server() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    bench.deployment.kill_server()?;
    std::thread::sleep(Duration::from_secs(1));
    bench.deployment.restart_server()?;
    bench.deployment.approve(
        &view.id(),
        [bench.deployment.anna(), bench.deployment.carla()],
    )?;
    let (text, _) = waiting.end()?;
    must_return(&text, "0x0")?;
    Ok(())
}

#[test]
fn login_fails_when_the_server_stays_down() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    bench.deployment.kill_server()?;
    let (text, took) = waiting.end()?;
    // CKR_DEVICE_ERROR
    must_return(&text, "0x30")?;
    must_suit_a_build_log(&text, &view)?;
    ensure!(text.contains("cannot reach"), "{text}");
    ensure!(
        took > Duration::from_secs(PATIENCE - 2),
        "C_Login returned after {took:?} already"
    );
    Ok(())
}

/// Starts a program that has listed the token and continues when it gets a line or the end of its input.
pub fn ready(bench: &Bench, what: &str) -> anyhow::Result<(Waiting, ChildStdin)> {
    let mut command = bench.tool(c_program::compiled(bench)?)?;
    command
        .arg(bench.module()?)
        .arg(what)
        .env("COUNTERSIGN_PATIENCE_SECONDS", "60")
        .env("COUNTERSIGN_SIGN_SECONDS", "3");
    let (mut waiting, go_on) = start(command)?;
    must_print(&mut waiting, "ready\n")?;
    Ok((waiting, go_on))
}

/// Starts a program whose input and output the test controls.
pub fn start(mut command: Command) -> anyhow::Result<(Waiting, ChildStdin)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let go_on = child.stdin.take().context("standard input is piped")?;
    Ok((Waiting(child), go_on))
}

/// Checks the next output of the program.
pub fn must_print(waiting: &mut Waiting, text: &str) -> anyhow::Result<()> {
    let output = waiting.0.stdout.as_mut();
    let mut bytes = vec![0; text.len()];
    output
        .context("standard output is piped")?
        .read_exact(&mut bytes)?;
    let printed = String::from_utf8_lossy(&bytes);
    ensure!(printed == text, "{printed:?} instead of {text:?}");
    Ok(())
}

#[test]
fn login_waits_for_a_server_that_is_down() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, go_on) = ready(&bench, "login-later")?;
    bench.deployment.kill_server()?;
    drop(go_on);
    std::thread::sleep(Duration::from_secs(2));
    bench.deployment.restart_server()?;
    let view = wait_for(|| {
        Ok(bench
            .activation()
            .ok()
            .filter(|view| view.state == ActivationState::AwaitingApprovals))
    })?;
    bench.deployment.approve(
        &view.id(),
        [bench.deployment.anna(), bench.deployment.carla()],
    )?;
    let (text, _) = waiting.end()?;
    must_return(&text, "0x0")?;
    must_report_once(&text, "cannot reach")?;
    Ok(())
}

fn must_report_once(text: &str, what: &str) -> anyhow::Result<()> {
    let lines = text.lines().filter(|line| line.contains(what)).count();
    ensure!(
        lines == 1,
        "{lines} lines contain {what:?} instead of 1:\n{text}"
    );
    Ok(())
}

#[test]
fn a_slot_remains_when_its_token_disappears() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, go_on) = ready(&bench, "token-goes")?;
    bench.deployment.kill_server()?;
    drop(go_on);
    let output = waiting.0.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

/// Ctrl-C works before an activation was requested, too.
#[test]
fn ctrl_c_ends_the_wait_for_a_server_that_is_down() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, go_on) = ready(&bench, "login-later")?;
    bench.deployment.kill_server()?;
    let program = c_program::process(&bench)?;
    drop(go_on);
    std::thread::sleep(Duration::from_secs(2));
    Command::new("kill")
        .args(["-INT", &program.to_string()])
        .status()?;
    let (text, took) = waiting.end()?;
    ensure!(
        !text.contains("C_Login"),
        "the program continued after Ctrl-C:\n{text}"
    );
    ensure!(
        took < Duration::from_secs(10),
        "the program ended only after {took:?}"
    );
    Ok(())
}

/// The network carries nothing: connections are neither answered nor refused.
#[test]
fn login_fails_when_the_network_is_silent() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    let server = bench
        .deployment
        .server
        .as_ref()
        .context("the server is not running")?;
    let process = server.program.id().to_string();
    let signal = |name: &str| Command::new("kill").args([name, &process]).status();
    signal("-STOP")?;
    let ended = waiting.end();
    signal("-CONT")?;
    let (text, _) = ended?;
    must_return(&text, "0x30")?;
    must_suit_a_build_log(&text, &view)?;
    Ok(())
}

/// The server becomes silent before a signature. C_Sign returns after its time limit, and a retry returns the signature.
#[test]
fn a_signature_that_timed_out_is_returned_by_a_retry() -> anyhow::Result<()> {
    let bench = Bench::with_approving_custodians()?;
    let (mut waiting, mut go_on) = ready(&bench, "sign-later")?;
    let server = bench
        .deployment
        .server
        .as_ref()
        .context("the server is not running")?;
    let process = server.program.id().to_string();
    let signal = |name: &str| Command::new("kill").args([name, &process]).status();
    signal("-STOP")?;
    let silent = (|| {
        go_on.write_all(b"\n")?;
        // CKR_DEVICE_ERROR
        must_print(&mut waiting, "C_Sign 0x30\nready\n")
    })();
    signal("-CONT")?;
    silent?;
    drop(go_on);
    let (text, _) = waiting.end()?;
    ensure!(text.contains("C_Sign 0x0\n"), "{text}");
    ensure!(text.contains("sign_seconds"), "{text}");
    let id = bench.activation()?.id();
    let made = bench.deployment.requester.signatures(&id)?;
    ensure!(made.len() == 1, "{} signatures of one digest", made.len());
    Ok(())
}

#[test]
fn ctrl_c_cancels_the_request() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (waiting, _) = Waiting::start(&bench)?;
    // The signal goes to the program itself, because `timeout` would hide how the program ended.
    let program = c_program::process(&bench)?;
    Command::new("kill")
        .args(["-INT", &program.to_string()])
        .status()?;
    let (text, took) = waiting.end()?;
    ensure!(
        !text.contains("C_Login"),
        "the program continued after Ctrl-C:\n{text}"
    );
    ensure!(
        took < Duration::from_secs(10),
        "the program ended only after {took:?}"
    );
    ensure!(
        matches!(bench.end()?, EndReason::Cancelled { .. }),
        "{:?}",
        bench.end()?
    );
    Ok(())
}

/// A killed program cannot cancel its request, so the server ends the request as abandoned.
#[test]
fn the_request_of_a_killed_program_is_abandoned() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    let program = c_program::process(&bench)?;
    Command::new("kill")
        .args(["-KILL", &program.to_string()])
        .status()?;
    waiting.end()?;
    // An admin polls, because a poll by the requester would keep the request alive.
    let admin = &bench.deployment.anna().browser;
    let reason = wait_for(|| {
        Ok(match admin.activation(&view.id())?.state {
            ActivationState::Ended { reason, .. } => Some(reason),
            _ => None,
        })
    })?;
    ensure!(matches!(reason, EndReason::Abandoned { .. }), "{reason:?}");
    Ok(())
}

#[test]
fn finalize_in_another_thread_ends_the_wait() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let mut command = bench.tool(c_program::compiled(&bench)?)?;
    command.arg(bench.module()?).arg("finalize-while-waiting");
    bench.ok(&mut command)?;
    Ok(())
}

/// A program that only loads the module works without a server and without a configuration.
#[test]
fn no_slot_is_listed_without_a_server_or_a_configuration() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let program = c_program::compiled(&bench)?;
    let slots = |bench: &Bench| -> anyhow::Result<Command> {
        let mut command = bench.tool(&program)?;
        command.arg(bench.module()?).arg("slots");
        Ok(command)
    };
    bench.deployment.kill_server()?;
    let start = Instant::now();
    let text = bench.ok(&mut slots(&bench)?)?;
    ensure!(
        text.contains("0 slots") && text.contains("cannot reach"),
        "{text}"
    );
    ensure!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let without_configuration = |bench: &Bench| -> anyhow::Result<String> {
        bench.ok(slots(bench)?
            .env_remove("COUNTERSIGN_CONFIG")
            .env("HOME", &bench.folder))
    };
    let text = without_configuration(&bench)?;
    ensure!(text.trim() == "0 slots", "{text}");
    // A configuration without a server is a mistake, which the module reports.
    let folder = bench.path(".config/countersign");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("config.toml"), "token_file = \"token\"\n")?;
    let text = without_configuration(&bench)?;
    ensure!(text.contains("no server is configured"), "{text}");
    Ok(())
}
