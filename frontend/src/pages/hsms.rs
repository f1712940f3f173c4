//! Signing HSMs.

mod waiting;

use countersign_protocol::hsm::{HsmState, HsmView};
use leptos::prelude::*;

use crate::{
    browser,
    components::{Badge, Empty, Loading, Page},
    portal::Portal,
    words,
};
use waiting::WaitingDevices;

/// The page.
#[component]
pub fn Hsms() -> impl IntoView {
    let portal = Portal::here();
    let list = move || {
        match portal.hsms.get() {
        None => view! { <Loading /> }.into_any(),
        Some(hsms) if hsms.is_empty() => view! {
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
        Some(hsms) => {
            let rows = hsms.into_iter().map(|hsm| {
                let testid = format!("hsm-{}", hsm.id);
                view! { <HsmRow hsm=hsm testid=testid /> }
            });
            view! { <ul class="rows">{rows.collect_view()}</ul> }.into_any()
        }
    }
    };
    view! {
        <Page title="HSMs">
            <p class="lead">"Devices that hold the signing keys. Each opens only for its own quorum."</p>
            {list}
            <WaitingDevices />
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

/// An HSM as one entry of a list.
#[component]
pub fn HsmRow(
    /// The HSM.
    hsm: HsmView,
    /// For tests.
    testid: String,
) -> impl IntoView {
    let href = format!("/hsms/{}", hsm.id);
    let device = hsm
        .device
        .map_or_else(|| hsm.transport.clone(), |device| device.id.to_string());
    let keys = words::count(hsm.keys.len() as u64, "key");
    let quorum = hsm.pka.map_or_else(
        || "no quorum".to_owned(),
        |pka| format!("{} custodians needed", pka.quorum),
    );
    view! {
        <li class="row">
            <a class="row-link" href=href data-testid=testid>
                <span class="row-title">{hsm.id.to_string()}</span>
                <span class="row-text">{words::hsm_state(&hsm.state)}</span>
                <span class="quiet">{format!("{device} · {quorum} · {keys}")}</span>
            </a>
            <div class="row-side">
                <Badge tone=tone(&hsm.state) text=words::hsm_state_name(&hsm.state) />
                {(!hsm.warnings.is_empty())
                    .then(|| {
                        view! {
                            <Badge tone="wait" text=words::count(hsm.warnings.len() as u64, "warning") />
                        }
                    })}
            </div>
        </li>
    }
    .into_any()
}
