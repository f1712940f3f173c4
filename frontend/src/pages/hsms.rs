//! Signing HSMs.

mod waiting;

use countersign_protocol::{
    hsm::{HsmState, HsmView},
    operator::Role,
};
use leptos::prelude::*;

use crate::{
    browser,
    components::{Badge, Empty, Loading, Page, Rows},
    portal::Portal,
    words,
};
use waiting::WaitingDevices;

/// The page.
#[component]
pub fn Hsms() -> impl IntoView {
    let portal = Portal::here();
    // Not how many: a row more leaves the others as they are.
    let none = Memo::new(move |_| portal.hsms.with(|hsms| hsms.as_ref().map(Vec::is_empty)));
    let list = move || {
        match none.get() {
        None => view! { <Loading /> }.into_any(),
        Some(true) => view! {
            <Empty>
                <p>
                    "No HSM yet. Plug one into any computer that reaches this server, and run there:"
                </p>
                <pre class="sample">{format!("countersign-helper connect {}/rt/hsm", browser::origin())}</pre>
                <p>
                    "Or plug it into the server itself, name it in the server's configuration (" <code>"[[hsm]]"</code>
                    ") and start the server again."
                </p>
            </Empty>
        }
        .into_any(),
        Some(false) => view! { <HsmRows testid="hsm" /> }.into_any(),
    }
    };
    view! {
        <Page title="HSMs">
            <p class="lead">"Devices that hold the signing keys. Each opens only for its own quorum."</p>
            {list}
            {portal.is(Role::Admin).then(|| view! { <WaitingDevices /> })}
        </Page>
    }
}

/// Colour of a state.
pub fn tone(state: &HsmState) -> &'static str {
    match state {
        HsmState::Absent { .. } | HsmState::Attached | HsmState::Locked => "plain",
        HsmState::Uninitialised | HsmState::Registering | HsmState::Collecting { .. } => "wait",
        HsmState::Open { .. } => "good",
        HsmState::Failed { .. } => "bad",
    }
}

/// All HSMs.
#[component]
pub fn HsmRows(
    /// For tests; the HSM's name is put behind it.
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

/// An HSM as one entry of a list; all of it is one link.
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
        || "no quorum".to_owned(),
        |pka| format!("{} custodians needed", pka.quorum),
    );
    view! {
        <span class="row-text">{words::hsm_state(&hsm.state)}</span>
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
