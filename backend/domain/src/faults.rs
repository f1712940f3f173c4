//! Fault points: places between two steps at which a test lets the server die, wait or fail. Programs without the feature
//! `fault-points` have none of them.

/// Marks a place between two steps, at which the server can die or wait.
macro_rules! fault_point {
    ($name:literal) => {
        #[cfg(feature = "fault-points")]
        $crate::faults::armed::pass($name);
    };
}

pub(crate) use fault_point;

#[cfg(feature = "fault-points")]
pub mod armed {
    use std::{
        collections::BTreeMap,
        fs::OpenOptions,
        io::Write,
        sync::{LazyLock, Mutex, PoisonError},
        time::Duration,
    };

    /// The changes that have fault points of their own before and after their commit. A change is named after its last audit
    /// entry. All others are `other`.
    pub const CHANGES: &[&str] = &[
        "activation-ended",
        "activation-requested",
        "approved",
        "custodian-registered",
        "declined",
        "hsm-initialised",
        "hsm-locked",
        "invited",
        "key-enrolled",
        "key-confirmed",
        "key-generated",
        "key-revoked",
        "lease-opened",
        "logged-in",
        "server-started",
        "signed",
        "token-created",
        "token-revoked",
        "other",
    ];

    /// All other fault points.
    pub const POINTS: &[&str] = &[
        "hsm/before authenticate",
        "hsm/after authenticate",
        "hsm/before generate",
        "hsm/after generate",
        "hsm/before initialise",
        "hsm/after initialise",
        "hsm/before log out",
        "hsm/after log out",
        "hsm/before register",
        "hsm/after register",
        "hsm/before sign",
        "hsm/after sign",
        "http/before answer",
        "signatures/before reserve",
        "signatures/after reserve",
    ];

    /// The fault point at which something happens, such as `commit/before signed=abort`. `#2` after its name means the second time
    /// that it is reached, `=sleep:500` a pause in milliseconds, `=fail:3` three failures.
    pub const VARIABLE: &str = "COUNTERSIGN_FAULT_POINT";

    /// A file to which every fault point that is reached is appended.
    pub const LOG: &str = "COUNTERSIGN_FAULT_LOG";

    static SETTING: LazyLock<Setting> = LazyLock::new(Setting::read);
    static REACHED: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

    #[derive(Clone, Copy)]
    enum Action {
        Abort,
        Fail,
        Sleep(Duration),
    }

    struct Armed {
        name: String,
        first: u32,
        times: u32,
        action: Action,
    }

    struct Setting {
        armed: Option<Armed>,
        log: Option<Mutex<std::fs::File>>,
    }

    impl Setting {
        fn read() -> Self {
            let log = std::env::var_os(LOG).map(|path| {
                let file = OpenOptions::new().create(true).append(true).open(path);
                Mutex::new(file.unwrap_or_else(|error| die(&format!("{LOG}: {error}"))))
            });
            let armed = std::env::var(VARIABLE).ok().map(|text| {
                parse(&text).unwrap_or_else(|| die(&format!("{VARIABLE}: cannot read `{text}`")))
            });
            Self { armed, log }
        }
    }

    fn parse(text: &str) -> Option<Armed> {
        let (place, action) = text.rsplit_once('=')?;
        let (name, first) = place.split_once('#').unwrap_or((place, "1"));
        let (action, number) = action.split_once(':').unwrap_or((action, "1"));
        let number: u32 = number.parse().ok()?;
        let (action, times) = match action {
            "abort" => (Action::Abort, 1),
            "fail" => (Action::Fail, number),
            "sleep" => (Action::Sleep(Duration::from_millis(number.into())), 1),
            _ => return None,
        };
        Some(Armed {
            name: name.to_owned(),
            first: first.parse().ok()?,
            times,
            action,
        })
    }

    /// Ends the program as `kill -9` does: nothing is stored, locked or answered any more.
    fn die(why: &str) -> ! {
        eprintln!("fault point: {why}");
        std::process::abort()
    }

    fn reach(name: &str) -> Option<Action> {
        let setting = &*SETTING;
        if setting.armed.is_none() && setting.log.is_none() {
            return None;
        }
        let count = {
            let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
            let count = reached.entry(name.to_owned()).or_default();
            *count += 1;
            *count
        };
        if let Some(log) = &setting.log {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = writeln!(log, "{name}") {
                die(&format!("{LOG}: {error}"));
            }
        }
        let armed = setting.armed.as_ref()?;
        let acts = armed.name == name && (armed.first..armed.first + armed.times).contains(&count);
        acts.then_some(armed.action)
    }

    /// Reaches a fault point that cannot fail.
    pub fn pass(name: &str) {
        if !POINTS.contains(&name) {
            die(&format!("`{name}` is missing from the list"));
        }
        match reach(name) {
            None => {}
            Some(Action::Abort) => die(name),
            Some(Action::Sleep(pause)) => std::thread::sleep(pause),
            Some(Action::Fail) => die(&format!("`{name}` cannot fail")),
        }
    }

    fn commit(when: &str, change: Option<&str>) -> String {
        let change = change.filter(|change| CHANGES.contains(change));
        format!("commit/{when} {}", change.unwrap_or("other"))
    }

    /// Reaches the fault point before the commit of a change, which is named after its last audit entry.
    pub(crate) async fn before_commit(change: Option<&str>) -> Result<(), std::io::Error> {
        let name = commit("before", change);
        match reach(&name) {
            None => {}
            Some(Action::Abort) => die(&name),
            Some(Action::Sleep(pause)) => tokio::time::sleep(pause).await,
            Some(Action::Fail) => {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::StorageFull,
                    format!("fault point {name}"),
                ));
            }
        }
        Ok(())
    }

    /// Reaches the fault point after the commit of a change.
    pub(crate) fn after_commit(change: Option<&str>) {
        let name = commit("after", change);
        match reach(&name) {
            None => {}
            Some(Action::Abort) => die(&name),
            Some(Action::Sleep(pause)) => std::thread::sleep(pause),
            Some(Action::Fail) => die(&format!("`{name}` cannot fail")),
        }
    }
}
