//! A new key: an activation that the custodians approve.

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

/// The form.
#[component]
pub fn GenerateForm(
    /// On which HSM.
    hsm: HsmId,
) -> impl IntoView {
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
                collect_seconds: None,
                abandoned_after_seconds: None,
                join: Join::SamePurpose,
            };
            let view: ActivationView = portal.post("/activations", &request).await?;
            let page = format!("/a/{}", view.terms.id);
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
                hint="Programs ask for the key by this name."
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
                hint="Custodians decide by it: generating a key needs the quorum too."
            />
            <WorkProblem work=work />
            <WorkButton work=work label="Ask the custodians" testid="genkey-submit" class="primary" />
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
