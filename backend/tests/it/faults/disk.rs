//! A disk that becomes full or read-only, and works again later.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use countersign_server::server::DATABASE;
use countersign_simulator::Profile;
use sqlx::{Connection, Executor, SqliteConnection};

use super::health::another_program;
use crate::{
    person::new_card,
    test_server::{TestServer, start},
};

/// Size of a small disk, as an option of `mount`.
const SIZE: &str = "size=24m";

/// A disk that can be filled.
pub enum Disk {
    /// A small file system that is really full. Only root can mount one.
    Small { mount: PathBuf },
    /// Triggers make every change fail.
    Triggers(tempfile::TempDir, Failure),
}

/// How SQLite fails.
#[derive(Clone, Copy)]
pub enum Failure {
    /// SQLite rolls the transaction back automatically, as it does when the disk is full.
    Full,
    /// The transaction stays open, as after the file system became read-only because of an error.
    ReadOnly,
}

impl Failure {
    fn raise(self) -> &'static str {
        match self {
            Self::Full => "RAISE(ROLLBACK, 'database or disk is full')",
            Self::ReadOnly => "RAISE(FAIL, 'attempt to write a readonly database')",
        }
    }
}

impl Disk {
    /// The disks that the user who runs the tests can create.
    pub fn all() -> Vec<Self> {
        let triggers = [Failure::Full, Failure::ReadOnly]
            .map(|failure| Self::Triggers(tempfile::tempdir().expect("a folder"), failure));
        let small = Self::small();
        if small.is_none() {
            println!("no file system can be mounted here, so only triggers are tried");
        }
        small.into_iter().chain(triggers).collect()
    }

    fn small() -> Option<Self> {
        let mount = tempfile::tempdir().expect("a folder").keep();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(&mount)
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            return Some(Self::Small { mount });
        }
        std::fs::remove_dir(&mount).expect("an empty folder");
        None
    }

    fn path(&self) -> &Path {
        match self {
            Self::Small { mount } => mount,
            Self::Triggers(folder, _) => folder.path(),
        }
    }

    /// Starts a test server with a ready HSM, whose data directory is on this disk.
    pub async fn start_test_server(&self, profile: Profile) -> TestServer {
        let folder = tempfile::tempdir_in(self.path()).expect("a folder");
        let hsm = new_card("TARGET", profile, None);
        let server = start(folder.path(), &hsm).await;
        let mut test = TestServer::of(server, hsm, folder).await;
        test.make_ready().await;
        test
    }

    /// Makes every write fail.
    pub async fn fill(&self, test: &TestServer) {
        let mut other = another_program(test).await;
        match self {
            Self::Small { mount } => {
                // SQLite reuses the space of the write-ahead log, so the log must be empty.
                let log = test.folder.path().join(format!("{DATABASE}-wal"));
                retry(&mut other, "PRAGMA wal_checkpoint(TRUNCATE)", || {
                    std::fs::metadata(&log).is_ok_and(|log| log.len() == 0)
                })
                .await;
                let mut filler =
                    std::fs::File::create(mount.join("filler")).expect("a file to fill the disk");
                for size in [1 << 16, 1 << 12, 1] {
                    while filler.write_all(&vec![0; size]).is_ok() {}
                }
            }
            Self::Triggers(_, failure) => {
                let raise = failure.raise();
                let mut triggers = String::from("BEGIN IMMEDIATE;");
                for table in tables(&mut other).await {
                    for change in ["INSERT", "UPDATE", "DELETE"] {
                        triggers += &format!(
                            "CREATE TRIGGER full_{change}_{table} BEFORE {change} ON {table}
                             BEGIN SELECT {raise}; END;"
                        );
                    }
                }
                retry(&mut other, &(triggers + "COMMIT"), || true).await;
            }
        }
        other.close().await.expect("closed");
    }

    /// Makes writes succeed again.
    pub async fn free(&self, test: &TestServer) {
        match self {
            Self::Small { mount } => {
                std::fs::remove_file(mount.join("filler")).expect("removed");
            }
            Self::Triggers(..) => {
                let mut other = another_program(test).await;
                let mut triggers = String::from("BEGIN IMMEDIATE;");
                for table in tables(&mut other).await {
                    for change in ["INSERT", "UPDATE", "DELETE"] {
                        triggers += &format!("DROP TRIGGER full_{change}_{table};");
                    }
                }
                retry(&mut other, &(triggers + "COMMIT"), || true).await;
                other.close().await.expect("closed");
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Small { mount } = self {
            // The server may still have files open.
            let unmounted = Command::new("umount").arg("-l").arg(&*mount).status();
            if unmounted.is_ok_and(|status| status.success()) {
                let _ = std::fs::remove_dir(mount);
            }
        }
    }
}

async fn tables(connection: &mut SqliteConnection) -> Vec<String> {
    let query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
                 AND name NOT LIKE '_sqlx_%'";
    let rows: Vec<(String,)> = sqlx::query_as(query)
        .fetch_all(connection)
        .await
        .expect("tables");
    rows.into_iter().map(|(name,)| name).collect()
}

/// Repeats the statements until they succeed and `done` returns true, because the server may be writing.
async fn retry(connection: &mut SqliteConnection, statements: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    loop {
        let result = connection.execute(sqlx::raw_sql(statements)).await;
        if result.is_ok() && done() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{result:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
