//! The thread that owns the connection to one HSM. No other code changes the HSM's state.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use countersign_card::{CardError, pka::ChallengeBehaviour};
use countersign_protocol::{
    Timestamp,
    cvc::{DeviceId, TrustAnchors},
};
use tokio::sync::{mpsc::UnboundedSender, oneshot, watch};

use super::{
    Connector, LeaseHandle, Refusal,
    attached::Attached,
    not_usable::NotUsable,
    quarantines::Quarantines,
    snapshot::{Notice, Snapshot},
};
use crate::store::quarantines::Quarantine;

/// Interval of the checks of an idle device. Signatures in quick succession postpone the check.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Interval of the searches for an HSM that is not connected.
const SEARCH: Duration = Duration::from_secs(1);

pub struct Worker {
    pub connector: Box<dyn Connector>,
    pub anchors: Arc<TrustAnchors>,
    /// The expected device. `None` accepts the first device that is attached.
    pub expected: Option<DeviceId>,
    pub behaviour: ChallengeBehaviour,
    pub orders: Receiver<Order>,
    pub snapshot: watch::Sender<Snapshot>,
    pub notices: UnboundedSender<Notice>,
    pub quarantines: Quarantines,
}

pub enum Order {
    Work(Work),
    /// Check now whether the device was attached again.
    Look,
    /// Lock the HSM and do not use its device, which is in quarantine now.
    Quarantine,
    /// Lock the HSM and end the thread.
    Shutdown(oneshot::Sender<()>),
}

/// Work on the device. If no device is usable, it receives the reason instead. It returns the consequence, and a function that
/// sends the answer.
pub type Work = Box<dyn FnOnce(Result<&mut Attached, Refusal>) -> (After, Answer) + Send>;

/// Sends the answer. Called after the snapshot is updated, so that the caller sees the new state.
type Answer = Box<dyn FnOnce()>;

pub enum After {
    /// The device is still usable.
    Ready,
    /// The device is disconnected, or its state is uncertain. Drop the connection, for this reason.
    Drop(String),
}

impl Worker {
    /// Runs until [`Order::Shutdown`], or until all handles are dropped.
    pub fn run(mut self) {
        let mut attached: Option<Attached> = None;
        let mut next_search = Instant::now();
        loop {
            if attached.is_none() && next_search <= Instant::now() {
                attached = self.attach();
                next_search = Instant::now() + SEARCH;
            }
            let wait = match &attached {
                None => next_search.saturating_duration_since(Instant::now()),
                // The heartbeat also notices that the wall clock has passed the deadline.
                Some(device) => device
                    .lease()
                    .map_or(HEARTBEAT, |(_, deadline)| deadline.left().min(HEARTBEAT)),
            };
            match self.orders.recv_timeout(wait) {
                Ok(Order::Shutdown(stopped)) => {
                    if let Some(mut device) = attached.take()
                        && let Err(error) = device.lock()
                    {
                        tracing::error!(%error, "locking the HSM at shutdown failed");
                    }
                    let _ = stopped.send(());
                    return;
                }
                Ok(Order::Quarantine) => self.quarantine(attached.take()),
                Ok(Order::Look) if attached.is_none() => next_search = Instant::now(),
                Ok(Order::Work(work)) => match &mut attached {
                    Some(device) => {
                        let lease = open_lease(device);
                        let (after, answer) = match self.overdue(device) {
                            None | Some(After::Ready) => work(Ok(device)),
                            Some(drop) => (drop, work(Err(self.refusal())).1),
                        };
                        self.settle(&mut attached, after, lease);
                        answer();
                    }
                    // An HSM that is not connected is locked, because dropping its connection reset it.
                    None => work(Err(self.refusal())).1(),
                },
                Ok(Order::Look) | Err(RecvTimeoutError::Timeout) => {
                    if let Some(device) = &mut attached {
                        let lease = open_lease(device);
                        let after = match self.overdue(device) {
                            Some(after) => after,
                            None => device.check().map_or_else(After::Drop, |()| After::Ready),
                        };
                        self.settle(&mut attached, after, lease);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    if let Some(mut device) = attached.take() {
                        let _ = device.lock();
                    }
                    return;
                }
            }
        }
    }

    /// Locks the device and drops its connection, which also resets it.
    fn quarantine(&mut self, attached: Option<Attached>) {
        if let Some(mut device) = attached
            && let Err(error) = device.lock()
        {
            tracing::error!(%error, "locking an HSM that is no longer trusted failed");
        }
        self.is_quarantined();
    }

    /// Whether the expected device is in quarantine, which the snapshot then says.
    fn is_quarantined(&self) -> bool {
        let Some(device) = self.expected.clone() else {
            return false;
        };
        let Some(Quarantine { why, since }) = self.quarantines.of(&device) else {
            return false;
        };
        let quarantined = Snapshot::Quarantined { device, why, since };
        self.snapshot.send_if_modified(|snapshot| {
            let known = matches!(snapshot, Snapshot::Quarantined { .. });
            *snapshot = quarantined;
            !known
        });
        true
    }

    /// Searches for the device, and verifies it.
    fn attach(&mut self) -> Option<Attached> {
        // The device is not even connected.
        if self.is_quarantined() {
            return None;
        }
        let transport = match self.connector.connect() {
            Ok(transport) => transport,
            Err(error) => {
                self.absent(error.to_string());
                return None;
            }
        };
        match Attached::verify(
            transport,
            &self.anchors,
            self.expected.as_ref(),
            self.behaviour,
            self.connector.unprotected_allowed(),
        ) {
            Ok((device, proof)) => {
                self.expected = Some(device.id().clone());
                if self.is_quarantined() {
                    return None;
                }
                self.snapshot
                    .send_replace(Snapshot::Ready(device.to_device()));
                self.notify(Notice::Attached {
                    device: device.id().clone(),
                    behaviour: device.behaviour(),
                    proof,
                });
                Some(device)
            }
            Err(NotUsable::Card(error)) if error.is_connection_lost() => {
                self.absent(error.to_string());
                None
            }
            Err(error) => {
                self.refused(error.to_string());
                None
            }
        }
    }

    fn absent(&self, why: String) {
        let known = matches!(&*self.snapshot.borrow(), Snapshot::Absent { why: before, .. } if *before == why);
        if !known {
            let since = match &*self.snapshot.borrow() {
                Snapshot::Absent { since, .. } => *since,
                Snapshot::Refused { .. } | Snapshot::Quarantined { .. } | Snapshot::Ready(_) => {
                    Timestamp::now()
                }
            };
            self.snapshot.send_replace(Snapshot::Absent { since, why });
        }
    }

    fn refused(&self, why: String) {
        let known =
            matches!(&*self.snapshot.borrow(), Snapshot::Refused { why: before } if *before == why);
        if !known {
            self.snapshot
                .send_replace(Snapshot::Refused { why: why.clone() });
            self.notify(Notice::Refused { why });
        }
    }

    fn notify(&self, notice: Notice) {
        // Sending fails only while the server stops.
        let _ = self.notices.send(notice);
    }

    fn refusal(&self) -> Refusal {
        Refusal::Unavailable(match &*self.snapshot.borrow() {
            Snapshot::Absent { why, .. } => format!("the HSM is not connected: {why}"),
            Snapshot::Refused { why } => format!("the HSM was rejected: {why}"),
            Snapshot::Quarantined { why, .. } => format!("the HSM is in quarantine: {why}"),
            Snapshot::Ready(_) => "the connection to the HSM was lost: try again later".into(),
        })
    }

    /// Ends an expired lease.
    fn overdue(&mut self, device: &mut Attached) -> Option<After> {
        let (lease, deadline) = device.lease()?;
        if !deadline.has_come() {
            return None;
        }
        let lease = lease.clone();
        Some(match device.lock() {
            Ok(proof) => {
                self.notify(Notice::LeaseEnded { lease, proof });
                After::Ready
            }
            Err(error) => After::Drop(error.to_string()),
        })
    }

    /// Updates the snapshot after work, or drops the device. `lease` is the lease that was open before the work.
    fn settle(
        &mut self,
        attached: &mut Option<Attached>,
        after: After,
        lease: Option<LeaseHandle>,
    ) {
        match (after, attached.as_ref()) {
            (After::Ready, Some(device)) => {
                self.behaviour = device.behaviour();
                let device = device.to_device();
                self.snapshot.send_if_modified(|snapshot| {
                    let same = snapshot.device().is_some_and(|before| {
                        (before.pka, &before.keys, &before.warnings)
                            == (device.pka, &device.keys, &device.warnings)
                    });
                    if !same {
                        *snapshot = Snapshot::Ready(device);
                    }
                    !same
                });
            }
            (After::Drop(why), _) => {
                // Dropping a PC/SC connection resets the card.
                *attached = None;
                self.snapshot.send_replace(Snapshot::Absent {
                    since: Timestamp::now(),
                    why: why.clone(),
                });
                self.notify(Notice::Lost { lease, why });
                *attached = self.attach();
            }
            (After::Ready, None) => {}
        }
    }
}

fn open_lease(device: &Attached) -> Option<LeaseHandle> {
    device.lease().map(|(lease, _)| lease.clone())
}

/// The consequence of a command: the device is dropped if its connection was lost.
pub fn after<T>(result: &Result<T, Refusal>) -> After {
    match result {
        Err(Refusal::Card(error)) if error.is_connection_lost() => After::Drop(error.to_string()),
        _ => After::Ready,
    }
}

/// The consequence of the use of a key: the device is also dropped if it is locked under an open lease, because it has lost its
/// approvals.
pub fn after_signing<T>(result: &Result<T, Refusal>) -> After {
    match result {
        Err(Refusal::Card(error @ CardError::NotAuthenticated(_))) => After::Drop(format!(
            "{error}, although its quorum was complete: another program may have logged it out"
        )),
        other => after(other),
    }
}

/// The consequence of an attempt to lock: a device that is not proven locked is dropped, which resets it.
pub fn after_lock(result: &Result<String, Refusal>) -> After {
    match result {
        Ok(_) => After::Ready,
        Err(error) => After::Drop(error.to_string()),
    }
}
