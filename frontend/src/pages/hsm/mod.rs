//! One signing HSM: state, device, keys, custodians, set-up.

mod custodians;
mod device;
mod generate;
mod initialise;
mod key_settings;
mod keys;
mod quarantine;
mod remove;

use countersign_protocol::{
    hsm::{HsmState, HsmView},
    id::{ActivationId, HsmId},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_params_map;

use crate::{
    api,
    components::{Badge, Loading, Page, ProblemView, Prose},
    portal::Portal,
    words,
};
use custodians::Custodians;
use device::Device;
use initialise::Initialise;
use keys::Keys;
use quarantine::Quarantine;
use remove::Remove;

#[component]
pub fn Hsm() -> impl IntoView {
    let portal = Portal::here();
    let params = use_params_map();
    let id =
        Memo::new(move |_| HsmId::new(params.with(|params| params.get("id").unwrap_or_default())));
    let failed = RwSignal::new(None);
    Effect::new(move |_| {
        let id = id.get();
        failed.set(None);
        spawn_local(async move {
            if let Err(problem) = portal.store_hsm(portal.get(&path(&id, ""))).await {
                failed.set(Some(problem));
            }
        });
    });
    let view = Memo::new(move |_| portal.hsm(&id.get()));
    let shown = Memo::new(move |_| view.with(|view| view.as_ref().map(|view| view.id.clone())));
    let title = Signal::derive(move || format!("HSM {}", id.get()));
    view! {
        <Page title=title>
            <ProblemView problem=failed />
            {move || match shown.get() {
                Some(id) => view! { <Details id=id view=view /> }.into_any(),
                None if failed.with(Option::is_some) => ().into_any(),
                None => view! { <Loading /> }.into_any(),
            }}
        </Page>
    }
}

/// Path of an HSM in the API, or of a resource below it.
fn path(id: &HsmId, below: &str) -> String {
    format!("/hsms/{}{below}", api::part(id.as_str()))
}

#[component]
fn Details(id: HsmId, view: Memo<Option<HsmView>>) -> impl IntoView {
    let state = Memo::new(move |_| view.with(|view| view.as_ref().map(|view| view.state.clone())));
    let warnings = Memo::new(move |_| {
        view.with(|view| {
            view.as_ref()
                .map_or_else(Vec::new, |view| view.warnings.clone())
        })
    });
    view! {
        <p class="state-line">
            {move || {
                state
                    .get()
                    .map(|state| {
                        view! {
                            <Badge
                                tone=super::hsms::tone(&state)
                                text=words::hsm_state_name(&state)
                                testid="hsm-state"
                            />
                            <span>
                                <Prose text=words::hsm_state(&state) />
                            </span>
                            {activation(&state)}
                        }
                    })
            }}
        </p>
        {move || {
            warnings
                .get()
                .into_iter()
                .map(|text| {
                    view! {
                        <p class="notice wait" data-testid="notice">
                            <Prose text=text />
                        </p>
                    }
                })
                .collect_view()
        }}
        <div class="columns">
            <div class="column">
                <Custodians id=id.clone() view=view /> <Keys id=id.clone() view=view />
            </div>
            <div class="column">
                <Device view=view /> <Initialise id=id.clone() view=view />
                <Quarantine id=id.clone() view=view /> <Remove id=id view=view />
            </div>
        </div>
    }
    .into_any()
}

fn activation(state: &HsmState) -> Option<AnyView> {
    let id: &ActivationId = match state {
        HsmState::AwaitingApprovals { activation } | HsmState::Open { activation, .. } => {
            activation.as_ref()?
        }
        HsmState::Absent { .. }
        | HsmState::Attached
        | HsmState::Uninitialised
        | HsmState::Registering
        | HsmState::Locked
        | HsmState::Quarantined { .. }
        | HsmState::Failed { .. } => return None,
    };
    let href = format!("/a/{id}");
    Some(view! { <a href=href>{format!("Show activation {id}")}</a> }.into_any())
}
