//! A list that one page shows, asked for again whenever it is said to have changed.

use countersign_protocol::problem::Problem;
use leptos::{prelude::*, task::spawn_local};
use serde::de::DeserializeOwned;

use crate::{portal::Portal, turns::Turns};

/// What a page knows of its list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing yet; it is being asked for.
    Loading,
    /// Nothing, as it could not be had.
    Failed,
    /// There is nothing in it.
    Empty,
    /// It has rows.
    Rows,
}

/// The list.
pub struct Fetched<T: Send + Sync + 'static> {
    list: RwSignal<Option<Vec<T>>>,
    /// Why it could not be had the last time.
    pub failed: RwSignal<Option<Problem>>,
}

impl<T: Clone + DeserializeOwned + Send + Sync + 'static> Fetched<T> {
    /// Asks for `path` now, and whenever `changed` changes.
    pub fn follow(portal: Portal, path: &'static str, changed: RwSignal<u32>) -> Self {
        let list = RwSignal::new(None);
        let failed = RwSignal::new(None);
        let turns = Turns::new();
        Effect::new(move |_| {
            changed.track();
            let turn = turns.next();
            spawn_local(async move {
                let answer = portal.get(path).await;
                // An older answer is not taken for a newer one. The page may be gone by now.
                if !turns.is_last(turn) {
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

    /// What is listed.
    pub fn items(&self) -> Signal<Vec<T>> {
        let list = self.list;
        Signal::derive(move || list.get().unwrap_or_default())
    }

    /// What to show, where `items` are those that the page lists. It changes only when something else is to be shown,
    /// not with every row.
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
