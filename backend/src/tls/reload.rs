//! The pair is replaced while the server runs.

use std::{os::unix::fs::MetadataExt, path::Path, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    TlsError,
    certificate::{self, Current},
};
use crate::config::Files;

/// Takes a new pair from the files.
#[derive(Clone, Debug)]
pub struct Reload {
    files: Files,
    current: Arc<Current>,
    /// The files, before they were read for the first time.
    first: Look,
}

impl Reload {
    /// Reads the pair that the server begins with.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn begin(files: &Files) -> Result<Self, TlsError> {
        // In this order: what changes meanwhile is read again.
        let first = look(files);
        let current = Current::new(certificate::load(files)?);
        Ok(Self {
            files: files.clone(),
            current: Arc::new(current),
            first,
        })
    }

    /// The pair in use.
    pub(super) fn current(&self) -> Arc<Current> {
        self.current.clone()
    }

    /// New connections get what is in the files now. If that cannot be used, they get what they got before.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn now(&self) -> Result<(), TlsError> {
        self.current.replace(certificate::load(&self.files)?);
        Ok(())
    }

    fn now_and_tell(&self) {
        let file = self.files.certificate.display();
        match self.now() {
            Ok(()) => tracing::info!("new connections get the certificate that is in {file} now"),
            Err(error) => tracing::error!("the former certificate stays in use: {error}"),
        }
    }
}

/// Certificate and key as they are at one moment.
type Look = [Option<Stamp>; 2];

fn look(files: &Files) -> Look {
    [&files.certificate, &files.key].map(|file| Stamp::of(file))
}

/// What tells one version of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([i64; 3], u64);

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let data = std::fs::metadata(file).ok()?;
        let changed = [data.mtime(), data.mtime_nsec(), data.ino().cast_signed()];
        Some(Self(changed, data.size()))
    }
}

/// Looks at the files as often as this, and at SIGHUP, for ever.
pub async fn reload_when_changed(reload: Reload, every: Duration) {
    let mut hang_up = signal(SignalKind::hangup())
        .inspect_err(|error| tracing::warn!("SIGHUP will reload no certificate: {error}"))
        .ok();
    let mut used = reload.first;
    let mut before = used;
    loop {
        let told = async {
            match &mut hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        let told = tokio::select! {
            _ = told => true,
            () = tokio::time::sleep(every) => false,
        };
        let seen = look(&reload.files);
        // Certificate and key are written one after the other: both are read once they rest.
        if told || (seen != used && seen == before) {
            used = seen;
            let reload = reload.clone();
            let _ = tokio::task::spawn_blocking(move || reload.now_and_tell()).await;
        }
        before = seen;
    }
}
