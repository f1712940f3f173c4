//! A module that is registered for the whole system hardly delays programs that have nothing to do with it.

use std::{
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::program::{module, run};

/// The module gives up after 1 s. Before it knew whether it is used, it waited for 10 s.
const CEILING: Duration = Duration::from_secs(8);

/// A folder in which p11-kit finds the module's registration.
fn registered() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    // p11-kit ignores the configuration of root, so the programs run as another user, who must be able to read it.
    let readable = |path: &Path| {
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).unwrap();
    };
    let copy = home.path().join("libcountersign_pkcs11.so");
    std::fs::copy(module(), &copy).unwrap();
    let mut folder = home.path().to_owned();
    readable(&folder);
    for part in [".config", "pkcs11", "modules"] {
        folder.push(part);
        std::fs::create_dir(&folder).unwrap();
        readable(&folder);
    }
    std::fs::write(
        folder.join("signing.module"),
        format!("module: {}\n", copy.display()),
    )
    .unwrap();
    home
}

/// A program that p11-kit loads the module into.
fn program(home: &Path, server: &str, words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.arg("120");
    if std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    }) {
        command.args([
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]);
    }
    command
        .args(words)
        .env("HOME", home)
        .env_remove("XDG_CONFIG_HOME")
        .env("COUNTERSIGN_SERVER", server)
        .env("COUNTERSIGN_TOKEN", "token-of-a-test");
    command
}

/// A server that accepts connections and never answers, and the number of its connections.
fn silent() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || read_to_end(stream));
        }
    });
    (url, connections)
}

fn unused_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn read_to_end(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
}

#[test]
fn other_programs_are_neither_delayed_nor_disturbed() {
    let home = registered();
    let down = unused_address();
    let (silent, connections) = silent();
    for words in [
        &["p11-kit", "list-modules"][..],
        &["p11tool", "--list-tokens"],
    ] {
        for server in [&format!("http://{down}"), &silent] {
            let before = connections.load(Ordering::SeqCst);
            let start = Instant::now();
            let (status, text) = run(&mut program(home.path(), server, words));
            let took = start.elapsed();
            assert!(status == Some(0), "{words:?} ended with {status:?}: {text}");
            assert!(!text.contains("countersign: "), "{words:?}: {text}");
            let is_listed = text.contains("Signing after quorum approval");
            assert!(words[0] != "p11-kit" || is_listed, "{text}");
            let made = connections.load(Ordering::SeqCst) - before;
            let expected = usize::from(*server == silent);
            assert!(
                made == expected,
                "{words:?} made {made} connections to {server} instead of {expected}: {text}"
            );
            assert!(took < CEILING, "{words:?} took {took:?}: {text}");
        }
    }
}

#[test]
fn a_program_that_names_an_object_learns_why_it_is_missing() {
    let home = registered();
    let down = unused_address();
    let words = ["p11tool", "--list-all", "pkcs11:token=release"];
    let server = format!("http://{down}");
    let (_, text) = run(&mut program(home.path(), &server, &words));
    assert!(text.contains("cannot reach"), "{text}");
}
