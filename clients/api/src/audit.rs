use countersign_protocol::audit::AuditPage;

use crate::{client::Client, error::ClientError};

impl Client {
    /// Lists at most `limit` entries of the audit log, newest first: those before the entry with index `before`, or the
    /// newest of all.
    pub fn audit(&self, before: Option<u64>, limit: u32) -> Result<AuditPage, ClientError> {
        match before {
            Some(index) => self.get(&format!("/audit?before={index}&limit={limit}")),
            None => self.get(&format!("/audit?limit={limit}")),
        }
    }
}
