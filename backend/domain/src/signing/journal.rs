//! Writes reservations and records of signatures to the database. Changes that wait at the same time share one transaction.
//!
//! A reservation survives `kill -9` of the server. A record also survives a power cut, because the client receives the signature.

use std::thread;

use countersign_protocol::{
    audit::{Actor, AuditEvent},
    id::SignatureId,
};
use tokio::{
    runtime::Handle,
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
};

use crate::{
    faults::fault_point,
    store::{
        Durability, Store, StoreError,
        signatures::{self, Made, Reservation},
    },
};

/// Maximum number of changes in one transaction, so that no change waits for too many others.
const MAX_BATCH: usize = 64;

pub enum Entry {
    /// Reserve a signature before the HSM is used.
    Reserve(Reservation),
    /// Release a reservation, because the HSM has certainly not created a signature.
    Release(SignatureId),
    /// Record a signature before the client receives it.
    Record(Box<Record>),
}

/// A signature, and the audit entry that belongs to it.
pub struct Record {
    pub made: Made,
    pub actor: Actor,
    pub event: AuditEvent,
}

struct Waiting {
    change: Entry,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// The handle of the journal's thread. Clones refer to the same journal.
#[derive(Clone)]
pub struct Journal(UnboundedSender<Waiting>);

impl Journal {
    /// Starts the thread, which ends when the last clone is dropped.
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn start(store: Store) -> std::io::Result<Self> {
        let (sender, receiver) = unbounded_channel();
        // A thread of its own, so that statements do not also wait for the verification of signatures.
        let runtime = Handle::current();
        thread::Builder::new()
            .name("signatures".into())
            .spawn(move || runtime.block_on(run(store, receiver)))?;
        Ok(Self(sender))
    }

    /// Writes a change, and returns when it is stored.
    ///
    /// # Errors
    /// The change is not stored.
    pub async fn write(&self, change: Entry) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        let stopped = || StoreError::Journal("its thread has stopped: restart the server".into());
        self.0
            .send(Waiting { change, done })
            .map_err(|_| stopped())?;
        written.await.map_err(|_| stopped())?
    }
}

async fn run(store: Store, mut changes: UnboundedReceiver<Waiting>) {
    let mut waiting = Vec::new();
    while changes.recv_many(&mut waiting, MAX_BATCH).await > 0 {
        let together = write(&store, waiting.iter().map(|waiting| &waiting.change)).await;
        if let Err(error) = &together {
            tracing::error!(%error, "writing to the signature journal failed");
        }
        let several = waiting.len() > 1;
        for Waiting { change, done } in waiting.drain(..) {
            let result = match &together {
                Ok(()) => Ok(()),
                // Retry each change alone, so that one bad change cannot fail the batch.
                Err(_) if several => write(&store, [&change]).await,
                Err(error) => Err(StoreError::Journal(error.to_string())),
            };
            // Sending fails if the caller has disconnected.
            let _ = done.send(result);
        }
    }
}

/// Writes changes in one transaction, with one statement for each kind of change.
async fn write(store: &Store, changes: impl IntoIterator<Item = &Entry>) -> Result<(), StoreError> {
    let mut reservations = Vec::new();
    let mut released = Vec::new();
    let mut made = Vec::new();
    let mut audit = Vec::new();
    for change in changes {
        match change {
            Entry::Reserve(reservation) => reservations.push(reservation),
            Entry::Release(id) => released.push(id),
            Entry::Record(record) => {
                made.push(&record.made);
                audit.push((record.actor.clone(), record.event.clone()));
            }
        }
    }
    if made.is_empty() && released.is_empty() {
        // A single statement needs no explicit transaction.
        let mut connection = store.connection(Durability::Kill).await?;
        fault_point!("signatures/before reserve");
        signatures::reserve(&mut connection, &reservations).await?;
        fault_point!("signatures/after reserve");
        return Ok(());
    }
    let durability = if made.is_empty() {
        Durability::Kill
    } else {
        Durability::PowerCut
    };
    let mut tx = store.write_as(durability).await?;
    signatures::reserve(tx.connection(), &reservations).await?;
    signatures::release(tx.connection(), &released).await?;
    signatures::record(tx.connection(), &made).await?;
    if !audit.is_empty() {
        tx.audit_all(audit).await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use countersign_protocol::{
        cvc::Fingerprint, digest::Sha256Digest, id::MemberId, mechanism::Mechanism,
    };

    use super::*;
    use crate::{events::Changes, store::signatures::StoredSignature};

    #[tokio::test]
    async fn a_failing_change_does_not_affect_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("db"), Changes::default())
            .await
            .unwrap();
        let journal = Journal::start(store).unwrap();
        let release = || journal.write(Entry::Release(SignatureId::new("nothing")));
        let digest = Sha256Digest::of(b"x");
        let reservation = Reservation {
            activation: MemberId::new("NONE-SUCH"),
            idempotency_key: "1".into(),
            signature: StoredSignature {
                id: SignatureId::new("1"),
                key: Fingerprint(*digest.as_bytes()),
                mechanism: Mechanism::EcdsaSha256,
                digest: digest.as_bytes().to_vec(),
                salt_length: None,
                made: None,
            },
        };
        let (first, reserved, last) = tokio::join!(
            release(),
            journal.write(Entry::Reserve(reservation)),
            release()
        );
        assert!(first.is_ok() && last.is_ok(), "{first:?} {last:?}");
        assert!(reserved.is_err());
    }
}
