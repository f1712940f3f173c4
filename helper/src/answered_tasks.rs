//! The tasks that the user has answered, also before a restart, so that none of them opens a prompt again.

use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_protocol::{Timestamp, digest::Sha256Digest};

use crate::private_file;

const FILE: &str = "answered-tasks";

/// Answered tasks with the time at which each expires. An expired task is forgotten, because it is rejected anyway.
pub(crate) struct AnsweredTasks {
    path: PathBuf,
    tasks: Mutex<HashMap<Sha256Digest, Timestamp>>,
}

impl AnsweredTasks {
    /// Reads the file in this directory. Without it, the user is asked again at worst, so a file that cannot be read is not an
    /// error.
    pub(crate) fn open(directory: &Path) -> Self {
        let path = directory.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!("cannot read {}: {error}", path.display());
                }
                String::new()
            }
        };
        let tasks = text.lines().filter_map(|line| {
            let (digest, expires_at) = line.split_once(' ')?;
            Some((digest.parse().ok()?, expires_at.parse().ok()?))
        });
        let tasks = Mutex::new(tasks.collect());
        Self { path, tasks }
    }

    pub(crate) fn contains(&self, task: &Sha256Digest) -> bool {
        self.lock().contains_key(task)
    }

    /// Adds a task, on disk before this returns.
    pub(crate) fn add(&self, task: Sha256Digest, expires_at: Timestamp) {
        let mut tasks = self.lock();
        let now = Timestamp::now();
        tasks.retain(|_, expires_at| *expires_at > now);
        tasks.insert(task, expires_at);
        let written = private_file::replace(&self.path, |file| {
            tasks
                .iter()
                .try_for_each(|(task, expires_at)| writeln!(file, "{task} {expires_at}"))
        });
        if let Err(error) = written {
            tracing::warn!(
                "cannot write {}, so that a restarted helper may ask again: {error}",
                self.path.display()
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sha256Digest, Timestamp>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
