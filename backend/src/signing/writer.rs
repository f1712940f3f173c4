//! Puts reservations and records of signatures into few transactions: what waits together is written together.
//!
//! A reservation survives `kill -9` of the server; a record, which is answered, survives a power cut too.

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

use crate::store::{
    Durability, Store, StoreError,
    signatures::{self, Made, Reservation},
};

/// Most changes in one transaction: nobody waits for more than this many others.
const MOST: usize = 64;

/// One change.
pub enum Change {
    /// Before the card is asked.
    Reserve(Reservation),
    /// The card said that it made nothing.
    Release(SignatureId),
    /// Before it is answered.
    Record(Box<Record>),
}

/// A signature, and the audit entry that belongs to it.
pub struct Record {
    /// The signature.
    pub made: Made,
    /// Who asked.
    pub actor: Actor,
    /// The audit entry.
    pub event: AuditEvent,
}

struct Waiting {
    change: Change,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Where changes are handed in. Clones are the same writer.
#[derive(Clone)]
pub struct Writer(UnboundedSender<Waiting>);

impl Writer {
    /// Starts its thread; it ends with the last clone.
    ///
    /// # Errors
    /// The operating system has no thread left.
    pub fn start(store: Store) -> std::io::Result<Self> {
        let (sender, receiver) = unbounded_channel();
        // Every statement waits for its answer: it must not wait behind the checks of signatures, too.
        let runtime = Handle::current();
        thread::Builder::new()
            .name("signatures".into())
            .spawn(move || runtime.block_on(run(store, receiver)))?;
        Ok(Self(sender))
    }

    /// Returns when the change is written.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has happened then.
    pub async fn write(&self, change: Change) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        let stopped = || StoreError::Unreadable("the writer has stopped".into());
        self.0
            .send(Waiting { change, done })
            .map_err(|_| stopped())?;
        written.await.map_err(|_| stopped())?
    }
}

async fn run(store: Store, mut changes: UnboundedReceiver<Waiting>) {
    let mut waiting = Vec::new();
    while changes.recv_many(&mut waiting, MOST).await > 0 {
        let mut batch = Batch::default();
        let mut done = Vec::new();
        for waiting in waiting.drain(..) {
            batch.add(waiting.change);
            done.push(waiting.done);
        }
        let result = batch.write(&store).await;
        if let Err(error) = &result {
            tracing::error!("signatures cannot be written: {error}");
        }
        for done in done {
            let answer = match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(StoreError::Unreadable(error.to_string())),
            };
            // Whoever asked may have left.
            let _ = done.send(answer);
        }
    }
}

/// Changes that are written together; a statement for each kind.
#[derive(Default)]
struct Batch {
    reservations: Vec<Reservation>,
    released: Vec<SignatureId>,
    made: Vec<Made>,
    audit: Vec<(Actor, AuditEvent)>,
}

impl Batch {
    fn add(&mut self, change: Change) {
        match change {
            Change::Reserve(reservation) => self.reservations.push(reservation),
            Change::Release(id) => self.released.push(id),
            Change::Record(record) => {
                let Record { made, actor, event } = *record;
                self.made.push(made);
                self.audit.push((actor, event));
            }
        }
    }

    async fn write(self, store: &Store) -> Result<(), StoreError> {
        if self.made.is_empty() && self.released.is_empty() {
            // A single statement is a transaction by itself.
            let mut connection = store.connection(Durability::Kill).await?;
            return signatures::reserve(&mut connection, &self.reservations).await;
        }
        let durability = if self.made.is_empty() {
            Durability::Kill
        } else {
            Durability::PowerCut
        };
        let mut tx = store.write_as(durability).await?;
        signatures::reserve(tx.connection(), &self.reservations).await?;
        signatures::release(tx.connection(), &self.released).await?;
        signatures::record(tx.connection(), &self.made).await?;
        if !self.audit.is_empty() {
            tx.audit_all(self.audit).await?;
        }
        tx.commit().await
    }
}
