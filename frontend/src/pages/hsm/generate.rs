//! The form that requests a new key. Generating it is an activation, which needs the custodians' approval.

use countersign_protocol::{
    activation::{ActivationView, Join, NewActivation, NewPurpose},
    id::HsmId,
    purpose::NewKeyType,
};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use crate::{
    components::{TextField, WorkButton, WorkProblem},
    portal::Portal,
    work::Work,
};

#[component]
pub fn GenerateForm(hsm: HsmId) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let label = RwSignal::new(String::new());
    let reason = RwSignal::new(String::new());
    let chosen = RwSignal::new(wire_name(NewKeyType::EcSecp256r1));
    let navigate = use_navigate();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (navigate, hsm) = (navigate.clone(), hsm.clone());
        work.run(async move {
            let chosen = chosen.get_untracked();
            let mut types = NewKeyType::ALL.into_iter();
            let key_type = types.find(|kind| wire_name(*kind) == chosen);
            let request = NewActivation {
                hsm: Some(hsm),
                purpose: NewPurpose::GenerateKey {
                    label: label.get_untracked().trim().to_owned(),
                    key_type: key_type.unwrap_or(NewKeyType::EcSecp256r1),
                },
                reason: reason.get_untracked().trim().to_owned(),
                lease: None,
                approval_seconds: None,
                abandoned_after_seconds: None,
                join: Join::SamePurpose,
            };
            let view: ActivationView = portal.post("/activations", &request).await?;
            let page = format!("/a/{}", view.id());
            portal.put_activation(view);
            navigate(&page, Default::default());
            Ok(())
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <TextField
                label="Label"
                value=label
                testid="genkey-label"
                hint="Programs select the key by this name."
            />
            <div class="field">
                <label for="genkey-type">"Type"</label>
                <select
                    id="genkey-type"
                    data-testid="genkey-type"
                    on:change=move |event| chosen.set(event_target_value(&event))
                >
                    {NewKeyType::ALL
                        .into_iter()
                        .map(|kind| view! { <option value=wire_name(kind)>{kind.as_str()}</option> })
                        .collect_view()}
                </select>
            </div>
            <TextField
                label="Reason"
                value=reason
                testid="genkey-reason"
                hint="Custodians decide based on this: generating a key needs their approval."
            />
            <WorkProblem work=work />
            <WorkButton work=work label="Request new key" testid="genkey-submit" class="primary" />
        </form>
    }
    .into_any()
}

/// The name in the API, such as `ec-secp256r1`.
fn wire_name(kind: NewKeyType) -> String {
    serde_json::to_value(kind)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
