//! Custodians who answer every request by themselves, while the test or the demo does something else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use countersign_client::ActivationFilter;
use countersign_protocol::activation::{ActivationState, ActivationView, Answer, Decline};

use crate::{person::Person, stage::Stage};

/// How often they look for requests.
const LOOK: Duration = Duration::from_millis(100);

/// What the custodians do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custom {
    /// Anna and Carla approve, this long after they were asked.
    Agree(Duration),
    /// Anna and Ben decline.
    Decline,
}

/// Custodians at work; they go home when dropped.
pub struct Custodians {
    home: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Custodians {
    /// Sets them to work.
    pub fn at_work(stage: &Stage, custom: Custom) -> Self {
        let people = stage.people.clone();
        let port = stage.helper.port;
        let home = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicUsize::new(0));
        let (until, counted) = (home.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            let mut last = None;
            while !until.load(Ordering::SeqCst) {
                std::thread::sleep(LOOK);
                // A server that is away is part of some tests.
                let Ok(active) = people[0].browser.activations(ActivationFilter::Active) else {
                    continue;
                };
                for view in active {
                    if view.state != ActivationState::Collecting {
                        continue;
                    }
                    if last.as_ref() != Some(&view.terms.id) {
                        counted.fetch_add(1, Ordering::SeqCst);
                        last = Some(view.terms.id.clone());
                    }
                    answer(&people, port, custom, &view);
                }
            }
        });
        Self {
            home,
            asked,
            thread: Some(thread),
        }
    }

    /// How many requests they were asked to answer.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(people: &[Person], port: u16, custom: Custom, view: &ActivationView) {
    let who: &[usize] = match custom {
        Custom::Agree(after) => {
            std::thread::sleep(after);
            &[0, 2]
        }
        Custom::Decline => &[0, 1],
    };
    for person in who.iter().map(|index| &people[*index]) {
        let answered = view.custodians.iter().any(|custodian| {
            custodian.key == person.key()
                && matches!(
                    custodian.answer,
                    Answer::Authenticated { .. } | Answer::Declined { .. }
                )
        });
        if answered {
            continue;
        }
        let id = &view.terms.id;
        let result = match custom {
            Custom::Agree(_) => person.authenticate_at(port, id).map(|_| ()),
            Custom::Decline => {
                let decline = Decline {
                    reason: "Not today".into(),
                };
                let declined = person.browser.decline(id, &decline);
                declined.map(|_| ()).map_err(anyhow::Error::from)
            }
        };
        if let Err(error) = result {
            // It may have been withdrawn meanwhile.
            println!("  {}: {error}", person.operator.person.name);
        }
    }
}

impl Drop for Custodians {
    fn drop(&mut self) {
        self.home.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
