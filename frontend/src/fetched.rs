//! A list that only one page shows. It is fetched again whenever an event says that it has changed.

use countersign_protocol::problem::Problem;
use leptos::{prelude::*, task::spawn_local};
use serde::de::DeserializeOwned;

use crate::{latest::LatestOnly, portal::Portal};

/// What a page shows in the place of its list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The first answer has not arrived.
    Loading,
    /// The list was never fetched successfully.
    Failed,
    /// The list has no items.
    Empty,
    /// The list has items.
    Rows,
}

/// A list of the server.
pub struct Fetched<T: Send + Sync + 'static> {
    list: RwSignal<Option<Vec<T>>>,
    /// The problem of the last request.
    pub failed: RwSignal<Option<Problem>>,
}

impl<T: Clone + DeserializeOwned + Send + Sync + 'static> Fetched<T> {
    /// Fetches `path` now, and again whenever `changed` changes.
    pub fn follow(portal: Portal, path: &'static str, changed: RwSignal<u32>) -> Self {
        let list = RwSignal::new(None);
        let failed = RwSignal::new(None);
        let requests = LatestOnly::new();
        Effect::new(move |_| {
            changed.track();
            let request = requests.next();
            spawn_local(async move {
                let answer = portal.get(path).await;
                // A newer request may have been sent, or the page may have been left.
                if !requests.is_latest(request) {
                    return;
                }
                match answer {
                    Ok(all) => {
                        list.try_set(Some(all));
                        failed.try_set(None);
                    }
                    Err(problem) => {
                        failed.try_set(Some(problem));
                    }
                }
            });
        });
        Self { list, failed }
    }

    /// The items; empty until they are fetched.
    pub fn items(&self) -> Signal<Vec<T>> {
        let list = self.list;
        Signal::derive(move || list.get().unwrap_or_default())
    }

    /// Which of the four to show, given the `items` that the page has filtered. The result does not depend on the number of
    /// rows, so that a new row does not rebuild the list.
    pub fn shown(&self, items: Signal<Vec<T>>) -> Memo<Shown> {
        let (list, failed) = (self.list, self.failed);
        Memo::new(move |_| {
            if list.with(Option::is_some) {
                if items.with(Vec::is_empty) {
                    Shown::Empty
                } else {
                    Shown::Rows
                }
            } else if failed.with(Option::is_some) {
                Shown::Failed
            } else {
                Shown::Loading
            }
        })
    }
}
