//! Replaces the certificate and its key while the server runs.

use std::{os::unix::fs::MetadataExt, path::Path, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    TlsError,
    certificate::{self, Current},
};
use crate::config::Files;

/// Reloads the certificate and its key from their files.
#[derive(Clone, Debug)]
pub struct Reload {
    files: Files,
    current: Arc<Current>,
    /// State of the files before they were read for the first time.
    first: Stamps,
}

impl Reload {
    /// Reads the certificate and key with which the server starts.
    pub(super) fn begin(files: &Files) -> Result<Self, TlsError> {
        // The state is taken first, so that a change during the read is noticed and read again.
        let first = stamps(files);
        let current = Current::new(certificate::load(files)?);
        Ok(Self {
            files: files.clone(),
            current: Arc::new(current),
            first,
        })
    }

    pub(super) fn current(&self) -> Arc<Current> {
        self.current.clone()
    }

    /// Uses the current content of the files for new connections.
    ///
    /// # Errors
    /// The content cannot be used; the previous certificate and key stay in use.
    pub fn now(&self) -> Result<(), TlsError> {
        self.current.replace(certificate::load(&self.files)?);
        Ok(())
    }

    fn now_and_log(&self) {
        let file = self.files.certificate.display();
        match self.now() {
            Ok(()) => tracing::info!(%file, "the TLS certificate was reloaded for new connections"),
            Err(error) => tracing::error!(
                %file,
                %error,
                "the TLS certificate could not be reloaded, so the previous one stays in use"
            ),
        }
    }
}

/// State of the files of the certificate and of the key.
type Stamps = [Option<Stamp>; 2];

fn stamps(files: &Files) -> Stamps {
    [&files.certificate, &files.key].map(|file| Stamp::of(file))
}

/// Modification time, inode and size, which together identify one version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([i64; 3], u64);

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let data = std::fs::metadata(file).ok()?;
        let changed = [data.mtime(), data.mtime_nsec(), data.ino().cast_signed()];
        Some(Self(changed, data.size()))
    }
}

/// Checks the files at this interval, and reloads them when they have changed or when SIGHUP arrives. Never returns.
pub async fn reload_when_changed(reload: Reload, every: Duration) {
    let mut hang_up = signal(SignalKind::hangup())
        .inspect_err(|error| tracing::warn!(%error, "the handler for SIGHUP could not be installed, so SIGHUP does not reload the TLS certificate"))
        .ok();
    let mut used = reload.first;
    let mut before = used;
    loop {
        let signalled = async {
            match &mut hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        let signalled = tokio::select! {
            _ = signalled => true,
            () = tokio::time::sleep(every) => false,
        };
        let seen = stamps(&reload.files);
        // The certificate and the key are written one after the other, so both are read when neither has changed since the last check.
        if signalled || (seen != used && seen == before) {
            used = seen;
            let reload = reload.clone();
            let _ = tokio::task::spawn_blocking(move || reload.now_and_log()).await;
        }
        before = seen;
    }
}
