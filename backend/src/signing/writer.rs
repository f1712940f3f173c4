//! Puts reservations and records of signatures into few transactions: what waits together is written together.
//!
//! A reservation survives `kill -9` of the server; a record, which is answered, survives a power cut too.

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent},
    id::{ActivationId, SignatureId},
};
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

use crate::store::{self, Durability, Store, StoreError, WriteTx, signatures::StoredSignature};

/// Most changes in one transaction: nobody waits for more than this many others.
const MOST: usize = 64;

/// One change.
pub enum Change {
    /// Before the card is asked.
    Reserve {
        /// Under which activation.
        activation: ActivationId,
        /// The requester's name for the wish.
        idempotency_key: String,
        /// What is to be made.
        signature: StoredSignature,
    },
    /// The card said that it made nothing.
    Release(SignatureId),
    /// Before it is answered.
    Record {
        /// Which.
        id: SignatureId,
        /// The signature.
        signature: Vec<u8>,
        /// When it was made.
        at: Timestamp,
        /// Who asked.
        actor: Box<Actor>,
        /// The audit entry that belongs to it.
        event: Box<AuditEvent>,
    },
}

struct Waiting {
    change: Change,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Where changes are handed in. Clones are the same writer.
#[derive(Clone)]
pub struct Writer(UnboundedSender<Waiting>);

impl Writer {
    /// Starts the task; it ends with the last clone.
    pub fn start(store: Store) -> Self {
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(run(store, receiver));
        Self(sender)
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
    let mut batch = Vec::new();
    while changes.recv_many(&mut batch, MOST).await > 0 {
        let result = write(&store, &batch).await;
        if let Err(error) = &result {
            tracing::error!("signatures cannot be written: {error}");
        }
        for waiting in batch.drain(..) {
            let answer = match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(StoreError::Unreadable(error.to_string())),
            };
            // Whoever asked may have left.
            let _ = waiting.done.send(answer);
        }
    }
}

async fn write(store: &Store, batch: &[Waiting]) -> Result<(), StoreError> {
    // A single statement is a transaction by itself.
    if let [only] = batch
        && let Change::Reserve {
            activation,
            idempotency_key,
            signature,
        } = &only.change
    {
        let mut connection = store.connection(Durability::Kill).await?;
        return store::signatures::reserve(&mut connection, activation, idempotency_key, signature)
            .await;
    }
    let answered = |waiting: &Waiting| matches!(waiting.change, Change::Record { .. });
    let durability = if batch.iter().any(answered) {
        Durability::PowerCut
    } else {
        Durability::Kill
    };
    let mut tx = store.write_as(durability).await?;
    for waiting in batch {
        apply(&mut tx, &waiting.change).await?;
    }
    tx.commit().await
}

async fn apply(tx: &mut WriteTx, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Reserve {
            activation,
            idempotency_key,
            signature,
        } => {
            store::signatures::reserve(tx.connection(), activation, idempotency_key, signature)
                .await
        }
        Change::Release(id) => store::signatures::release(tx.connection(), id).await,
        Change::Record {
            id,
            signature,
            at,
            actor,
            event,
        } => {
            store::signatures::record(tx.connection(), id, signature, *at).await?;
            tx.audit(actor, (**event).clone()).await.map(|_| ())
        }
    }
}
