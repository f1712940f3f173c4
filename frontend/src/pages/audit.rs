//! The audit log: every change, newest first.

use countersign_protocol::audit::{AuditEntry, AuditEvent, AuditPage};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::{
    components::{Empty, Page, When, WorkButton, WorkProblem},
    portal::Portal,
    words,
    work::Work,
};

/// Entries that one request brings.
const STEP: usize = 100;

/// The page; `?activation=ID` shows the entries of one activation.
#[component]
pub fn Audit() -> impl IntoView {
    let portal = Portal::here();
    let query = use_query_map();
    let only = Memo::new(move |_| query.with(|query| query.get("activation")));
    let entries = RwSignal::new(Vec::<AuditEntry>::new());
    let total = RwSignal::new(0_u64);
    let work = Work::new();
    // An activation's entries end with its request, however far back that is.
    let older = move || async move {
        loop {
            let before = entries.with_untracked(|all| all.last().map(|entry| entry.index));
            fetch(portal, entries, total, before).await?;
            let done = entries.with_untracked(|all| {
                let at_start = all.last().is_none_or(|entry| entry.index == 0);
                at_start
                    || only
                        .get_untracked()
                        .is_none_or(|id| all.iter().any(|entry| requests(entry, &id)))
            });
            if done {
                return Ok(());
            }
        }
    };
    work.run(older());
    Effect::new(move |_| {
        let heard = portal.audit_total.get();
        // New entries come to the front while the page is open; after a failure the user tries again.
        let idle = !work.busy.get() && work.problem.with_untracked(Option::is_none);
        if idle && heard > total.get_untracked() {
            work.run(async move { fetch(portal, entries, total, None).await });
        }
    });
    let shown = Memo::new(move |_| {
        let only = only.get();
        entries.with(|all| {
            let those = all
                .iter()
                .filter(|entry| only.as_ref().is_none_or(|id| concerns(entry, id)));
            those.cloned().collect::<Vec<_>>()
        })
    });
    let more = move || {
        entries.with(|all| all.last().is_some_and(|entry| entry.index > 0)) && only.get().is_none()
    };
    view! {
        <Page title="Audit log">
            {move || {
                let filtered = only
                    .get()
                    .map(|id| {
                        let href = format!("/a/{id}");
                        view! {
                            <p class="lead">
                                "Only entries of " <a href=href>{id}</a> ". " <a href="/audit">"Show all"</a>
                            </p>
                        }
                    });
                let all = view! {
                    <p class="lead">
                        {format!("{}, newest first. Nothing is ever changed or removed.", words::count(total.get(), "entry"))}
                    </p>
                };
                if let Some(filtered) = filtered { filtered.into_any() } else { all.into_any() }
            }}
            <WorkProblem work=work />
            {move || {
                (shown.with(Vec::is_empty) && !work.busy.get())
                    .then(|| view! { <Empty><p>"No entries here."</p></Empty> })
            }}
            <ol class="audit">
                <For each=move || shown.get() key=|entry| entry.index let:entry>
                    <Entry entry=entry />
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

/// One page of the log, put where it belongs.
async fn fetch(
    portal: Portal,
    entries: RwSignal<Vec<AuditEntry>>,
    total: RwSignal<u64>,
    before: Option<u64>,
) -> crate::api::Answer<()> {
    let before = before.map_or(String::new(), |index| format!("&before={index}"));
    let page: AuditPage = portal.get(&format!("/audit?limit={STEP}{before}")).await?;
    total.try_set(page.total);
    entries.try_update(|all| {
        let newest = all.first().map(|entry| entry.index);
        let joins = page.entries.last().map(|entry| entry.index) <= newest.map(|index| index + 1);
        // More news than one page: what lies behind the gap is fetched again on demand.
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
fn Entry(entry: AuditEntry) -> impl IntoView {
    let text = words::event_words(&entry);
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

/// Whether an entry is about this activation.
fn concerns(entry: &AuditEntry, id: &str) -> bool {
    match &entry.event {
        AuditEvent::ActivationRequested { activation, .. }
        | AuditEvent::Approved { activation, .. }
        | AuditEvent::Declined { activation, .. }
        | AuditEvent::CustodiansForgotten { activation, .. }
        | AuditEvent::LeaseOpened { activation }
        | AuditEvent::KeyGenerated { activation, .. }
        | AuditEvent::Signed { activation, .. }
        | AuditEvent::ActivationEnded { activation, .. } => activation.as_str() == id,
        _ => false,
    }
}

/// Whether an entry is this activation's first.
fn requests(entry: &AuditEntry, id: &str) -> bool {
    matches!(&entry.event, AuditEvent::ActivationRequested { activation, .. } if activation.as_str() == id)
}
