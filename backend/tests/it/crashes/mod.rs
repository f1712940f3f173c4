//! The server dies, as by `kill -9`, between any two steps of what changes state, and is started again.

mod after;
mod child;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::Mutex,
    time::Duration,
};

use countersign_protocol::id::ActivationId;
use countersign_server::faults::armed::{CHANGES, LOG, POINTS, VARIABLE};
use countersign_simulator::{Profile, Simulator};

use self::child::{Acknowledged, DEVICE, FOLDER, PREFIX, Told};
use crate::{
    person::new_card,
    ram_client::{Client, pass_through},
};

/// The server dies at every occurrence of every fault point if this is set, otherwise only at the last one.
const ALL: &str = "COUNTERSIGN_ALL_FAULT_POINTS";

/// Number of servers at the same time.
const WORKERS: usize = 2;

/// `SIGABRT`, with which a fault point ends the program.
const ABORTED: i32 = 6;

/// How long the child may take.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// The messages that the child wrote before it ended.
pub struct Story {
    pub folder: tempfile::TempDir,
    pub hsm: Simulator,
    pub signing: Vec<(ActivationId, String)>,
    pub acknowledged: Vec<Acknowledged>,
}

/// Has the child tell its story, with these variables.
fn tell(variables: &[(&str, &str)]) -> (Story, ExitStatus) {
    let folder = tempfile::tempdir().expect("a folder");
    let hsm = new_card("TARGET", Profile::VENDOR, None);
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "crashes::child::the_child_tells_a_story",
            "--exact",
            "--nocapture",
        ])
        .env(FOLDER, folder.path())
        .env(DEVICE, hsm.device().to_string())
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let process = child.id();
    // A child that hangs must not hang the test.
    let watch = std::thread::spawn(move || {
        if finished.recv_timeout(TIME_LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill")
                .args(["-9", &process.to_string()])
                .status();
        }
    });
    let mut story = Story {
        folder,
        hsm,
        signing: Vec::new(),
        acknowledged: Vec::new(),
    };
    let mut client = None;
    for line in lines.map_while(Result::ok) {
        let Some(told) = line.strip_prefix(PREFIX) else {
            continue;
        };
        match serde_json::from_str(told).expect("what the child tells") {
            Told::Listening(address) => {
                let card = story.hsm.connect();
                client = Some(Client::attach(address, "/rt/hsm", card, pass_through()));
            }
            Told::Signing(id, key) => story.signing.push((id, key)),
            Told::Acknowledged(what) => story.acknowledged.push(what),
        }
    }
    let status = child.wait().expect("ends");
    drop(done);
    watch.join().expect("no panic");
    if let Some(client) = client {
        client.pull();
        client.ended();
    }
    (story, status)
}

/// The number of times that the story reaches each fault point.
fn reached() -> BTreeMap<String, u32> {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("reached");
    let (story, status) = tell(&[(LOG, log.to_str().expect("text"))]);
    assert!(status.success(), "{status}: {:?}", story.acknowledged);
    after::check(story);
    count(&log)
}

fn count(log: &Path) -> BTreeMap<String, u32> {
    let mut reached = BTreeMap::new();
    let log = std::fs::read_to_string(log).expect("the log");
    for name in log.lines() {
        *reached.entry(name.to_owned()).or_default() += 1;
    }
    reached
}

#[test]
fn a_server_that_dies_between_any_two_steps_loses_and_repeats_nothing() {
    let reached = reached();
    let expected: BTreeSet<_> = CHANGES
        .iter()
        .flat_map(|change| ["before", "after"].map(|when| format!("commit/{when} {change}")))
        .chain(POINTS.iter().map(|&point| point.to_owned()))
        .collect();
    let found: BTreeSet<_> = reached.keys().cloned().collect();
    assert_eq!(found, expected, "the story does not reach these, or others");
    let every = std::env::var_os(ALL).is_some();
    let places: Vec<_> = reached
        .iter()
        .flat_map(|(name, times)| {
            let first = if every { 1 } else { *times };
            (first..=*times).map(move |number| format!("{name}#{number}"))
        })
        .collect();
    let total = places.len();
    let places = Mutex::new(places);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(place) = places.lock().expect("no panic").pop() else {
                        return;
                    };
                    die_at(&place);
                }
            });
        }
    });
    println!(
        "the server died {total} times at {} fault points",
        found.len()
    );
}

#[test]
fn a_disk_that_is_slow_or_fails_for_a_moment_leaves_nothing_half_done() {
    for place in [
        "approved#3",
        "lease-opened#2",
        "signed#2",
        "activation-ended#2",
    ] {
        for (action, works) in [("sleep:1500", true), ("fail:2", false)] {
            let fault = format!("commit/before {place}={action}");
            let (story, status) = tell(&[(VARIABLE, &fault)]);
            println!(
                "{fault}: {status}, {} acknowledged",
                story.acknowledged.len()
            );
            // A story ends as soon as something is refused in it.
            assert_eq!(status.success(), works, "{fault}: {:?}", story.acknowledged);
            after::check(story);
        }
    }
}

/// Lets the server die at a fault point, the time that is given after `#`.
fn die_at(place: &str) {
    let (story, status) = tell(&[(VARIABLE, &format!("{place}=abort"))]);
    println!(
        "{place}: {status}, {} acknowledged",
        story.acknowledged.len()
    );
    // What the server does by itself, such as reading the state of a card, need not happen equally often in each story.
    let name = place.split_once('#').map(|(name, _)| format!("{name}#1"));
    if let Some(first) = name.filter(|first| status.success() && first != place) {
        return die_at(&first);
    }
    assert_eq!(
        status.signal(),
        Some(ABORTED),
        "{place}: {:?}",
        story.acknowledged
    );
    let check = std::panic::AssertUnwindSafe(|| after::check(story));
    let checked = std::panic::catch_unwind(check);
    assert!(checked.is_ok(), "{place}: see above");
}
