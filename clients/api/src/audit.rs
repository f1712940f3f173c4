//! The audit log.

use countersign_protocol::audit::AuditPage;

use crate::{client::Client, error::ClientError};

impl Client {
    /// At most `limit` entries, newest first: those before the entry with index `before`, or the newest of all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn audit(&self, before: Option<u64>, limit: u32) -> Result<AuditPage, ClientError> {
        match before {
            Some(index) => self.get(&format!("/audit?before={index}&limit={limit}")),
            None => self.get(&format!("/audit?limit={limit}")),
        }
    }
}
