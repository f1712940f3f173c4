//! The ways in which C_Login's wait ends: each with a return value of its own and a line that says why, and none hangs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use countersign_harness::{
    custodians::{Custodians, Decision},
    deployment::wait,
};
use countersign_protocol::activation::{ActivationState, ActivationView, EndReason};

use super::{
    c_program,
    tool::{Bench, run},
};

/// A server that is away is waited for this long.
const PATIENCE: u64 = 4;

/// A C program that logs in, prints the return value, and ends with 0 if that was CKR_OK.
fn login(bench: &Bench) -> anyhow::Result<Command> {
    let mut command = bench.tool(c_program::compiled(bench)?)?;
    command
        .arg(bench.module()?)
        .arg("login")
        .env("COUNTERSIGN_PATIENCE_SECONDS", PATIENCE.to_string());
    Ok(command)
}

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
                .filter(|view| view.state == ActivationState::Collecting))
        })?;
        Ok((waiting, view))
    }

    /// What it printed, and how long that took.
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

pub fn returned(text: &str, value: &str) -> anyhow::Result<()> {
    ensure!(
        text.lines().any(|line| line == format!("C_Login {value}")),
        "not {value}:\n{text}"
    );
    Ok(())
}

/// Where to approve stands in a build log, and so does how it ended.
fn told(text: &str, view: &ActivationView) -> anyhow::Result<()> {
    let url = format!("/a/{}", view.terms.id);
    ensure!(
        text.contains(&url),
        "it does not say where to approve:\n{text}"
    );
    ensure!(
        !text.contains('\x1b') && !text.contains('\r'),
        "not for a log:\n{text:?}"
    );
    Ok(())
}

#[test]
fn the_quorum_is_met_after_a_while() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    std::thread::sleep(Duration::from_secs(3));
    bench.deployment.approve(
        &view.terms.id,
        [bench.deployment.anna(), bench.deployment.carla()],
    )?;
    let (text, _) = waiting.end()?;
    returned(&text, "0x0")?;
    told(&text, &view)?;
    for missing in ["Anna", "Ben", "Carla"] {
        ensure!(text.contains(missing), "{missing} is not named:\n{text}");
    }
    Ok(())
}

/// Nothing that people have to know is cut off by a narrow terminal; what changes all the time takes one line.
#[test]
fn on_a_terminal() -> anyhow::Result<()> {
    for (columns, alone) in [(200, false), (40, true)] {
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
            .env("COUNTERSIGN_COLLECT_SECONDS", "2"))?;
        let parts: Vec<_> = text.split(['\r', '\n']).collect();
        let live = parts.iter().filter(|part| part.contains("0:0")).count();
        ensure!(live > 1, "no time left:\n{text:?}");
        let names: Vec<_> = parts
            .iter()
            .filter(|part| part.contains("missing: Anna, Ben, Carla"))
            .collect();
        ensure!(
            !names.is_empty() && names.iter().all(|part| part.contains("left") != alone),
            "{columns} columns:\n{text:?}"
        );
        returned(&text, "0x50")?;
    }
    Ok(())
}

/// A build that left its lease open is in the way of the next one: the line that is printed ends it.
#[test]
fn behind_an_own_lease() -> anyhow::Result<()> {
    let bench = Bench::with_agreeing_custodians()?;
    bench.ok(login(&bench)?.env("COUNTERSIGN_REASON", "the build before"))?;
    let before = bench.activation()?;
    let mut waiting = Waiting(
        login(&bench)?
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?,
    );
    let lines = BufReader::new(waiting.0.stderr.take().context("its errors are read")?);
    let mut lines = lines.lines();
    let line = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains("the build before"))
        .context("the lease in the way is not named")?;
    let id = before.terms.id.as_str();
    let command = line
        .split('`')
        .find(|part| part.starts_with("countersign activation"))
        .context(line.clone())?;
    ensure!(command.ends_with(id), "{line}");
    // Nothing is ended that somebody may still use.
    let still = bench.deployment.requester.activation(&before.terms.id)?;
    ensure!(
        matches!(still.state, ActivationState::Open { .. }),
        "{still:?}"
    );
    let arguments = command.split_whitespace().skip(1);
    bench.ok(bench.program("countersign")?.args(arguments))?;
    // Whoever writes must be listened to until the end.
    lines.for_each(drop);
    let (text, _) = waiting.end()?;
    returned(&text, "0x0")
}

#[test]
fn denied() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let _custodians = Custodians::start(&bench.deployment, Decision::Decline);
    let (status, text) = run(&mut login(&bench)?)?;
    ensure!(status == Some(1), "{status:?}: {text}");
    // CKR_FUNCTION_REJECTED
    returned(&text, "0x200")?;
    ensure!(bench.end()? == EndReason::Declined, "{:?}", bench.end()?);
    ensure!(text.contains("Anna: Not today; Ben: Not today"), "{text}");
    Ok(())
}

#[test]
fn timed_out() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (_, text) = run(login(&bench)?.env("COUNTERSIGN_COLLECT_SECONDS", "2"))?;
    // CKR_FUNCTION_CANCELED
    returned(&text, "0x50")?;
    ensure!(bench.end()? == EndReason::Expired, "{:?}", bench.end()?);
    ensure!(text.contains("expired"), "{text}");
    Ok(())
}

#[test]
fn the_server_restarts_meanwhile() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    bench.deployment.kill_server()?;
    std::thread::sleep(Duration::from_secs(1));
    bench.deployment.restart_server()?;
    bench.deployment.approve(
        &view.terms.id,
        [bench.deployment.anna(), bench.deployment.carla()],
    )?;
    let (text, _) = waiting.end()?;
    returned(&text, "0x0")?;
    Ok(())
}

#[test]
fn the_server_is_gone() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    bench.deployment.kill_server()?;
    let (text, took) = waiting.end()?;
    // CKR_DEVICE_ERROR
    returned(&text, "0x30")?;
    told(&text, &view)?;
    ensure!(text.contains("cannot reach"), "{text}");
    ensure!(
        took > Duration::from_secs(PATIENCE - 2),
        "it gave up after {took:?}"
    );
    Ok(())
}

/// A program that knows the token, and goes on when it is told to.
pub fn ready(bench: &Bench, what: &str) -> anyhow::Result<(Waiting, ChildStdin)> {
    let mut command = bench.tool(c_program::compiled(bench)?)?;
    let mut child = command
        .arg(bench.module()?)
        .arg(what)
        .env("COUNTERSIGN_PATIENCE_SECONDS", "60")
        .env("COUNTERSIGN_SIGN_SECONDS", "3")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let told = child.stdin.take().context("its input is written")?;
    let mut waiting = Waiting(child);
    said(&mut waiting, "ready\n")?;
    Ok((waiting, told))
}

/// What it prints next.
fn said(waiting: &mut Waiting, text: &str) -> anyhow::Result<()> {
    let output = waiting.0.stdout.as_mut();
    let mut bytes = vec![0; text.len()];
    output
        .context("its output is read")?
        .read_exact(&mut bytes)?;
    let said = String::from_utf8_lossy(&bytes);
    ensure!(said == text, "{said:?} instead of {text:?}");
    Ok(())
}

#[test]
fn the_server_is_away_when_it_is_asked() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, told) = ready(&bench, "login-later")?;
    bench.deployment.kill_server()?;
    drop(told);
    std::thread::sleep(Duration::from_secs(2));
    bench.deployment.restart_server()?;
    let view = wait_for(|| {
        Ok(bench
            .activation()
            .ok()
            .filter(|view| view.state == ActivationState::Collecting))
    })?;
    bench.deployment.approve(
        &view.terms.id,
        [bench.deployment.anna(), bench.deployment.carla()],
    )?;
    let (text, _) = waiting.end()?;
    returned(&text, "0x0")?;
    told_once(&text, "cannot reach")?;
    Ok(())
}

fn told_once(text: &str, what: &str) -> anyhow::Result<()> {
    let lines = text.lines().filter(|line| line.contains(what)).count();
    ensure!(lines == 1, "{what} is said {lines} times:\n{text}");
    Ok(())
}

#[test]
fn a_slot_stays_when_its_token_goes() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, told) = ready(&bench, "token-goes")?;
    bench.deployment.kill_server()?;
    drop(told);
    let output = waiting.0.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

/// Ctrl-C is not forgotten where there is nothing to withdraw yet.
#[test]
fn interrupted_while_the_server_is_away() -> anyhow::Result<()> {
    let mut bench = Bench::new()?;
    let (waiting, told) = ready(&bench, "login-later")?;
    bench.deployment.kill_server()?;
    let program = c_program::process(&bench)?;
    drop(told);
    std::thread::sleep(Duration::from_secs(2));
    Command::new("kill")
        .args(["-INT", &program.to_string()])
        .status()?;
    let (text, took) = waiting.end()?;
    ensure!(
        !text.contains("C_Login"),
        "the program outlived Ctrl-C:\n{text}"
    );
    ensure!(took < Duration::from_secs(10), "it took {took:?}");
    Ok(())
}

/// A network that swallows everything: no answer, no refusal.
#[test]
fn the_network_is_silent() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    let server = bench
        .deployment
        .server
        .as_ref()
        .context("the server runs")?;
    let process = server.program.id().to_string();
    let signal = |name: &str| Command::new("kill").args([name, &process]).status();
    signal("-STOP")?;
    let ended = waiting.end();
    signal("-CONT")?;
    let (text, _) = ended?;
    returned(&text, "0x30")?;
    told(&text, &view)?;
    Ok(())
}

/// The server falls silent before a signature: that has its time, and can be had afterwards.
#[test]
fn a_signature_that_does_not_come() -> anyhow::Result<()> {
    let bench = Bench::with_agreeing_custodians()?;
    let (mut waiting, mut told) = ready(&bench, "sign-later")?;
    let server = bench
        .deployment
        .server
        .as_ref()
        .context("the server runs")?;
    let process = server.program.id().to_string();
    let signal = |name: &str| Command::new("kill").args([name, &process]).status();
    signal("-STOP")?;
    let silent = (|| {
        told.write_all(b"\n")?;
        // CKR_DEVICE_ERROR
        said(&mut waiting, "C_Sign 0x30\nready\n")
    })();
    signal("-CONT")?;
    silent?;
    drop(told);
    let (text, _) = waiting.end()?;
    ensure!(text.contains("C_Sign 0x0\n"), "{text}");
    ensure!(text.contains("the 3 seconds of `sign_seconds`"), "{text}");
    let id = bench.activation()?.terms.id;
    let made = bench.deployment.requester.signatures(&id)?;
    ensure!(made.len() == 1, "{} signatures of one digest", made.len());
    Ok(())
}

#[test]
fn interrupted() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (waiting, _) = Waiting::start(&bench)?;
    // To the program itself: `timeout` would hand it on, and say nothing of how it ended.
    let program = c_program::process(&bench)?;
    Command::new("kill")
        .args(["-INT", &program.to_string()])
        .status()?;
    let (text, took) = waiting.end()?;
    ensure!(
        !text.contains("C_Login"),
        "the program outlived Ctrl-C:\n{text}"
    );
    ensure!(took < Duration::from_secs(10), "it took {took:?}");
    ensure!(
        matches!(bench.end()?, EndReason::Cancelled { .. }),
        "{:?}",
        bench.end()?
    );
    Ok(())
}

/// Custodians are not asked for ever for what nobody can tell them to forget.
#[test]
fn killed() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let (waiting, view) = Waiting::start(&bench)?;
    let program = c_program::process(&bench)?;
    Command::new("kill")
        .args(["-KILL", &program.to_string()])
        .status()?;
    waiting.end()?;
    // The requester must not ask, and so an admin looks.
    let admin = &bench.deployment.anna().browser;
    let reason = wait_for(|| {
        Ok(match admin.activation(&view.terms.id)?.state {
            ActivationState::Ended { reason, .. } => Some(reason),
            _ => None,
        })
    })?;
    ensure!(matches!(reason, EndReason::Abandoned { .. }), "{reason:?}");
    Ok(())
}

#[test]
fn finalized_by_another_thread() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let mut command = bench.tool(c_program::compiled(&bench)?)?;
    command.arg(bench.module()?).arg("finalize-while-waiting");
    bench.ok(&mut command)?;
    Ok(())
}

/// No server at all, or no configuration: a program that only loads the module is not disturbed.
#[test]
fn nothing_to_log_in_to() -> anyhow::Result<()> {
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
    let nothing = |bench: &Bench| -> anyhow::Result<String> {
        bench.ok(slots(bench)?
            .env_remove("COUNTERSIGN_CONFIG")
            .env("HOME", &bench.folder))
    };
    let text = nothing(&bench)?;
    ensure!(text.trim() == "0 slots", "{text}");
    // A file that names no server is a mistake, and told.
    let folder = bench.path(".config/countersign");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("config.toml"), "token_file = \"token\"\n")?;
    let text = nothing(&bench)?;
    ensure!(text.contains("no server is configured"), "{text}");
    Ok(())
}
