//! The thread that owns the connection to one HSM. Its state changes here and nowhere else.

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
use tokio::sync::{mpsc::UnboundedSender, watch};

use super::{
    attached::{Attached, NotUsable},
    connector::Connector,
    job::{Job, LeaseHandle, Refusal, Reply},
    snapshot::{Notice, Snapshot},
};

/// An idle card is asked whether it still knows everything; never between signatures that follow each other.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How often an absent HSM is looked for.
const SEARCH: Duration = Duration::from_secs(1);

/// Everything that the thread needs.
pub struct Worker {
    pub connector: Box<dyn Connector>,
    pub anchors: Arc<TrustAnchors>,
    /// The device that must be there.
    pub expected: Option<DeviceId>,
    pub behaviour: ChallengeBehaviour,
    pub jobs: Receiver<Job>,
    pub snapshot: watch::Sender<Snapshot>,
    pub notices: UnboundedSender<Notice>,
}

/// Tells whoever asked; done last, so that they find the snapshot as it is now.
type Tell = Box<dyn FnOnce()>;

/// What to do after a job.
enum After {
    /// Go on.
    Ready,
    /// The device is gone, or cannot be trusted to be as it should.
    Drop(String),
}

impl Worker {
    /// Runs until it is told to stop, or nobody can tell it any more.
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
                Some(device) => device.lease().map_or(HEARTBEAT, |(_, deadline)| {
                    deadline
                        .saturating_duration_since(Instant::now())
                        .min(HEARTBEAT)
                }),
            };
            match self.jobs.recv_timeout(wait) {
                Ok(Job::Shutdown(reply)) => {
                    if let Some(mut device) = attached.take()
                        && let Err(error) = device.lock()
                    {
                        tracing::error!("an HSM could not be locked at the end: {error}");
                    }
                    let _ = reply.send(Ok(()));
                    return;
                }
                Ok(Job::Look) if attached.is_none() => next_search = Instant::now(),
                Ok(job) => match &mut attached {
                    Some(device) => {
                        let lease = open_lease(device);
                        let (after, tell) = match self.overdue(device) {
                            None | Some(After::Ready) => self.work(device, job),
                            Some(drop) => (drop, refuse(job, self.refusal())),
                        };
                        self.settle(&mut attached, after, lease);
                        tell();
                    }
                    None => refuse(job, self.refusal())(),
                },
                Err(RecvTimeoutError::Timeout) => {
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

    /// Looks for the device.
    fn attach(&mut self) -> Option<Attached> {
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
                Snapshot::Refused { .. } | Snapshot::Ready(_) => Timestamp::now(),
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
        // Nobody listens only while the server stops.
        let _ = self.notices.send(notice);
    }

    fn refusal(&self) -> Refusal {
        Refusal::Unavailable(match &*self.snapshot.borrow() {
            Snapshot::Absent { why, .. } => format!("the HSM is absent: {why}"),
            Snapshot::Refused { why } => format!("the HSM was refused: {why}"),
            Snapshot::Ready(_) => "the HSM was lost: try again in a moment".into(),
        })
    }

    /// Ends a lease whose time is over.
    fn overdue(&mut self, device: &mut Attached) -> Option<After> {
        let (lease, deadline) = device.lease()?;
        if deadline > Instant::now() {
            return None;
        }
        let lease = lease.clone();
        Some(match device.lock() {
            Ok(proof) => {
                self.notify(Notice::LeaseOver { lease, proof });
                After::Ready
            }
            Err(error) => After::Drop(error.to_string()),
        })
    }

    /// `lease`: the one that was open before.
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

    fn work(&mut self, device: &mut Attached, job: Job) -> (After, Tell) {
        match job {
            Job::Challenge(reply) => answer(device.challenge(), reply),
            Job::Respond(response, reply) => answer(device.respond(&response), reply),
            Job::OpenLease {
                lease,
                deadline,
                reply,
            } => answer(device.open(lease, deadline), reply),
            Job::Sign {
                lease,
                reference,
                algorithm,
                input,
                reply,
            } => {
                let result = device.under(&lease).and_then(|card| {
                    card.sign(reference, algorithm, &input)
                        .map_err(Refusal::from)
                });
                answer_signing(result, reply)
            }
            Job::GenerateKey { lease, spec, reply } => {
                answer_signing(device.generate(&lease, &spec), reply)
            }
            Job::Lock(reply) => match device.lock() {
                Ok(proof) => {
                    let after = match device.refresh_keys() {
                        Ok(()) => After::Ready,
                        Err(error) => After::Drop(error.to_string()),
                    };
                    (after, tell(Ok(proof), reply))
                }
                Err(error) => {
                    let why = error.to_string();
                    let refusal = match error {
                        NotUsable::Card(error) => Refusal::Card(error),
                        other => Refusal::Unavailable(other.to_string()),
                    };
                    (After::Drop(why), tell(Err(refusal), reply))
                }
            },
            Job::Initialise {
                quorum,
                so_pin,
                reply,
            } => answer(device.initialise(quorum, &so_pin), reply),
            Job::Register(file, reply) => answer(device.register(&file), reply),
            Job::Shutdown(reply) => answer(Ok(()), reply),
            Job::Look => (
                device.check().map_or_else(After::Drop, |()| After::Ready),
                Box::new(|| ()),
            ),
        }
    }
}

fn open_lease(device: &Attached) -> Option<LeaseHandle> {
    device.lease().map(|(lease, _)| lease.clone())
}

fn tell<T: 'static>(result: Result<T, Refusal>, reply: Reply<T>) -> Tell {
    // Whoever asked may have left.
    Box::new(move || drop(reply.send(result)))
}

fn lost<T>(result: &Result<T, Refusal>) -> After {
    match result {
        Err(Refusal::Card(error)) if error.is_connection_lost() => After::Drop(error.to_string()),
        _ => After::Ready,
    }
}

fn answer<T: 'static>(result: Result<T, Refusal>, reply: Reply<T>) -> (After, Tell) {
    (lost(&result), tell(result, reply))
}

/// As [`answer`]; besides, a device that is locked under an open lease has lost its custodians.
fn answer_signing<T: 'static>(result: Result<T, Refusal>, reply: Reply<T>) -> (After, Tell) {
    let after = match &result {
        Err(Refusal::Card(error @ CardError::NotAuthenticated(_))) => After::Drop(format!(
            "{error}, although its quorum was there: another program may have logged it out"
        )),
        other => lost(other),
    };
    (after, tell(result, reply))
}

/// Answers a job that cannot be done. What is absent is locked: the connection was reset when it was dropped.
fn refuse(job: Job, why: Refusal) -> Tell {
    match job {
        Job::Challenge(reply) => tell(Err(why), reply),
        Job::Respond(_, reply) => tell(Err(why), reply),
        Job::OpenLease { reply, .. } | Job::Initialise { reply, .. } | Job::Shutdown(reply) => {
            tell(Err(why), reply)
        }
        Job::Sign { reply, .. } => tell(Err(why), reply),
        Job::GenerateKey { reply, .. } => tell(Err(why), reply),
        Job::Lock(reply) => tell(Err(why), reply),
        Job::Register(_, reply) => tell(Err(why), reply),
        Job::Look => Box::new(|| ()),
    }
}
