//! Custodians who decide on every request automatically while a test or the demo does something else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use countersign_client::ActivationFilter;
use countersign_protocol::activation::{ActivationState, ActivationView, Decision, Decline};

use crate::{deployment::Deployment, people::People, person::Person};

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What the custodians do with every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Anna and Carla approve this long after they have seen the request.
    Approve(Duration),
    /// Anna and Ben decline.
    Decline,
}

/// A thread that polls for requests and decides on them; dropping it stops the thread.
pub struct Custodians {
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Custodians {
    pub fn start(deployment: &Deployment, reaction: Reaction) -> Self {
        let people = deployment.people.clone();
        let port = deployment.helper.port;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(AtomicUsize::new(0));
        let (stopped, count) = (stop.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            let mut last = None;
            while !stopped.load(Ordering::SeqCst) {
                std::thread::sleep(POLL_INTERVAL);
                // Some tests stop the server meanwhile.
                let Ok(active) = people.anna.browser.activations(ActivationFilter::Active) else {
                    continue;
                };
                for view in active {
                    if view.state != ActivationState::AwaitingApprovals {
                        continue;
                    }
                    if last.as_ref() != Some(&view.id()) {
                        count.fetch_add(1, Ordering::SeqCst);
                        last = Some(view.id());
                    }
                    decide(&people, port, reaction, &view);
                }
            }
        });
        Self {
            stop,
            seen,
            thread: Some(thread),
        }
    }

    /// Number of requests that the custodians have seen.
    pub fn requests_seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

fn decide(people: &People, port: u16, reaction: Reaction, view: &ActivationView) {
    let deciding: [&Person; 2] = match reaction {
        Reaction::Approve(after) => {
            std::thread::sleep(after);
            [&people.anna, &people.carla]
        }
        Reaction::Decline => [&people.anna, &people.ben],
    };
    for person in deciding {
        let has_decided = view.custodians.iter().any(|custodian| {
            custodian.key == person.key()
                && matches!(
                    custodian.decision,
                    Decision::Approved { .. } | Decision::Declined { .. }
                )
        });
        if has_decided {
            continue;
        }
        let id = &view.id();
        let result = match reaction {
            Reaction::Approve(_) => person.approve_at(port, id).map(drop),
            Reaction::Decline => {
                let decline = Decline {
                    reason: "Not today".into(),
                };
                let declined = person.browser.decline(id, &decline);
                declined.map(drop).map_err(anyhow::Error::from)
            }
        };
        if let Err(error) = result {
            // The requester may have cancelled meanwhile.
            println!("  {} could not decide on {id}: {error}", person.name());
        }
    }
}

impl Drop for Custodians {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
