//! The audit log, newest entries first.

use std::collections::HashMap;

use countersign_protocol::audit::{AuditEntry, AuditEvent, AuditPage};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::{
    components::{Empty, Page, When, WorkButton, WorkProblem},
    portal::Portal,
    words,
    work::Work,
};

/// Entries per request.
const PAGE_SIZE: usize = 100;

/// The page. `?activation=ID` shows only the entries of one activation.
#[component]
pub fn Audit() -> impl IntoView {
    let portal = Portal::here();
    let query = use_query_map();
    let only = Memo::new(move |_| query.with(|query| query.get("activation")));
    let entries = RwSignal::new(Vec::<AuditEntry>::new());
    let total = RwSignal::new(0_u64);
    let work = Work::new();
    // The oldest entry of an activation is its request, so older pages are fetched until that one is found.
    let older = move || async move {
        loop {
            let before = entries.with_untracked(|all| all.last().map(|entry| entry.index));
            fetch(portal, entries, total, before).await?;
            let done = entries.with_untracked(|all| {
                let at_start = all.last().is_none_or(|entry| entry.index == 0);
                at_start
                    || only
                        .get_untracked()
                        .is_none_or(|id| all.iter().any(|entry| is_request(entry, &id)))
            });
            if done {
                return Ok(());
            }
        }
    };
    work.run(older());
    Effect::new(move |_| {
        let known = portal.audit_total.get();
        // New entries are added in front while the page is open. After a failure the user tries again.
        let idle = !work.busy.get() && work.problem.with_untracked(Option::is_none);
        if idle && known > total.get_untracked() {
            work.run(async move { fetch(portal, entries, total, None).await });
        }
    });
    let shown = Memo::new(move |_| {
        let only = only.get();
        entries.with(|all| {
            let selected = all
                .iter()
                .filter(|entry| only.as_ref().is_none_or(|id| concerns(entry, id)));
            selected.cloned().collect::<Vec<_>>()
        })
    });
    let names = Memo::new(move |_| entries.with(|all| words::audit_names(all)));
    let more = move || {
        entries.with(|all| all.last().is_some_and(|entry| entry.index > 0)) && only.get().is_none()
    };
    view! {
        <Page title="Audit log">
            <Lead only=only total=total />
            <WorkProblem work=work />
            {move || {
                (shown.with(Vec::is_empty) && !work.busy.get())
                    .then(|| {
                        let text = if only.get().is_some() {
                            "No entries for this activation. Check its id."
                        } else {
                            "No entries yet. Every change on this server adds one."
                        };
                        view! {
                            <Empty>
                                <p>{text}</p>
                            </Empty>
                        }
                    })
            }}
            <ol class="audit">
                <For each=move || shown.get() key=|entry| entry.index let:entry>
                    <Entry entry=entry names=names />
                </For>
            </ol>
            {move || {
                more()
                    .then(|| {
                        view! {
                            <WorkButton
                                work=work
                                label="Show older entries"
                                testid="audit-older"
                                on_press=Callback::new(move |()| work.run(older()))
                            />
                        }
                    })
            }}
        </Page>
    }
}

#[component]
fn Lead(only: Memo<Option<String>>, total: RwSignal<u64>) -> impl IntoView {
    let text = move || match only.get() {
        Some(id) => {
            let href = format!("/a/{id}");
            view! {
                "Only entries of activation "
                <a href=href>{id}</a>
                ". "
                <a href="/audit">"Show all entries"</a>
            }
            .into_any()
        }
        None => {
            let entries = words::count(total.get(), "entry");
            format!("{entries}, newest first. Entries are never changed or deleted.").into_any()
        }
    };
    view! { <p class="lead">{text}</p> }.into_any()
}

/// Fetches one page of the log and merges it into the entries.
async fn fetch(
    portal: Portal,
    entries: RwSignal<Vec<AuditEntry>>,
    total: RwSignal<u64>,
    before: Option<u64>,
) -> crate::api::Answer<()> {
    let before = before.map_or(String::new(), |index| format!("&before={index}"));
    let page: AuditPage = portal
        .get(&format!("/audit?limit={PAGE_SIZE}{before}"))
        .await?;
    total.try_set(page.total);
    entries.try_update(|all| {
        let newest = all.first().map(|entry| entry.index);
        let joins = page.entries.last().map(|entry| entry.index) <= newest.map(|index| index + 1);
        // There are more new entries than fit on one page. The older ones behind the gap are dropped and fetched again on
        // demand.
        if before.is_empty() && newest.is_some() && !joins {
            all.clear();
        }
        all.extend(page.entries);
        all.sort_by_key(|entry| std::cmp::Reverse(entry.index));
        all.dedup_by_key(|entry| entry.index);
    });
    Ok(())
}

#[component]
fn Entry(entry: AuditEntry, names: Memo<HashMap<String, String>>) -> impl IntoView {
    let event = entry.event.clone();
    let text = move || names.with(|names| words::event_words(&event, names));
    let by = words::actor(&entry.actor);
    let raw = serde_json::to_string_pretty(&entry).unwrap_or_default();
    view! {
        <li class="entry" data-testid="audit-entry" data-event=words::event_name(&entry.event)>
            <span class="entry-index">{entry.index}</span>
            <div>
                <p>
                    <strong>{by}</strong>
                    " "
                    {text}
                </p>
                <details>
                    <summary>
                        <When at=entry.at />
                    </summary>
                    <pre class="sample">{raw}</pre>
                </details>
            </div>
        </li>
    }
    .into_any()
}

/// Whether the entry belongs to this activation.
fn concerns(entry: &AuditEntry, id: &str) -> bool {
    match &entry.event {
        AuditEvent::ActivationRequested { activation, .. }
        | AuditEvent::Approved { activation, .. }
        | AuditEvent::Declined { activation, .. }
        | AuditEvent::ApprovalsLost { activation, .. }
        | AuditEvent::LeaseOpened { activation }
        | AuditEvent::KeyGenerated { activation, .. }
        | AuditEvent::Signed { activation, .. }
        | AuditEvent::ActivationEnded { activation, .. } => activation.activation().as_str() == id,
        _ => false,
    }
}

/// Whether the entry is the first of this activation.
fn is_request(entry: &AuditEntry, id: &str) -> bool {
    matches!(&entry.event, AuditEvent::ActivationRequested { activation, .. } if activation.as_str() == id)
}
