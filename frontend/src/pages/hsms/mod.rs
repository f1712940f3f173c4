//! Signing HSMs.

mod waiting;

use countersign_protocol::{
    hsm::{HsmState, HsmView},
    operator::Role,
};
use leptos::prelude::*;

use crate::{
    browser,
    components::{Badge, Empty, Loading, Page, Prose, Rows},
    portal::Portal,
    words,
};
use waiting::WaitingDevices;

#[component]
pub fn Hsms() -> impl IntoView {
    let portal = Portal::here();
    // Does not depend on the number of HSMs, so that a new one does not rebuild the list.
    let is_empty = Memo::new(move |_| portal.hsms.with(|hsms| hsms.as_ref().map(Vec::is_empty)));
    let list = move || {
        match is_empty.get() {
        None => view! { <Loading /> }.into_any(),
        Some(true) => view! {
            <Empty>
                <p>
                    "No HSMs yet. Connect one to any computer that can reach this server, and run there:"
                </p>
                <pre class="sample">{format!("countersign-helper connect {}/rt/hsm", browser::origin())}</pre>
                <p>
                    "Or connect it to the server itself, add it to the server's configuration (" <code>"[[hsm]]"</code>
                    "), and restart the server."
                </p>
            </Empty>
        }
        .into_any(),
        Some(false) => view! { <HsmRows testid="hsm" /> }.into_any(),
    }
    };
    view! {
        <Page title="HSMs">
            <p class="lead">"Devices that hold the signing keys. Each opens only with its own quorum."</p>
            {list}
            {portal.is(Role::Admin).then(|| view! { <WaitingDevices /> })}
        </Page>
    }
}

/// Class of the badge for a state.
pub fn tone(state: &HsmState) -> &'static str {
    match state {
        HsmState::Absent { .. } | HsmState::Attached | HsmState::Locked => "plain",
        HsmState::Uninitialised | HsmState::Registering | HsmState::AwaitingApprovals { .. } => {
            "wait"
        }
        HsmState::Open { .. } => "good",
        HsmState::Quarantined { .. } | HsmState::Failed { .. } => "bad",
    }
}

#[component]
pub fn HsmRows(
    /// Test id; the HSM's name is appended.
    testid: &'static str,
) -> impl IntoView {
    let portal = Portal::here();
    let hsms = Signal::derive(move || portal.hsms.get().unwrap_or_default());
    view! {
        <ul class="rows">
            <Rows items=hsms key=|hsm| hsm.id.to_string() row=move |hsm| row(hsm, testid) />
        </ul>
    }
    .into_any()
}

/// One entry. All of it is one link.
fn row(hsm: Memo<HsmView>, testid: &str) -> AnyView {
    let id = hsm.with_untracked(|hsm| hsm.id.clone());
    view! {
        <li class="row">
            <a
                class="row-link"
                href=format!("/hsms/{id}")
                data-testid=format!("{testid}-{id}")
            >
                <span class="row-title">{id.to_string()}</span>
                {move || hsm.with(text)}
            </a>
            <div class="row-side">{move || hsm.with(badges)}</div>
        </li>
    }
    .into_any()
}

fn text(hsm: &HsmView) -> AnyView {
    let device = hsm
        .device
        .as_ref()
        .map_or_else(|| hsm.transport.clone(), |device| device.id.to_string());
    let keys = words::count(hsm.keys.len() as u64, "key");
    let quorum = hsm.pka.map_or_else(
        || "no quorum yet".to_owned(),
        |pka| format!("quorum {}", pka.quorum),
    );
    view! {
        <span class="row-text">
            <Prose text=words::hsm_state(&hsm.state) />
        </span>
        <span class="quiet">{format!("{device} · {quorum} · {keys}")}</span>
    }
    .into_any()
}

fn badges(hsm: &HsmView) -> AnyView {
    let warnings = hsm.warnings.len() as u64;
    view! {
        <Badge tone=tone(&hsm.state) text=words::hsm_state_name(&hsm.state) />
        {(warnings > 0)
            .then(|| view! { <Badge tone="wait" text=words::count(warnings, "warning") /> })}
    }
    .into_any()
}
