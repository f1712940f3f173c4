//! Confirms a key after its fingerprint is compared with the owner.

use countersign_protocol::{
    act::NewAct,
    operator::{ConfirmKey, OperatorView},
};
use leptos::prelude::*;

use crate::{
    acts::{Signing, SigningPanel},
    components::{Digest, WorkButton},
    portal::Portal,
};

/// The words to compare, and the button that confirms the key.
#[component]
pub fn ConfirmForm(operator: OperatorView) -> impl IntoView {
    let portal = Portal::here();
    let signing = Signing::new();
    let work = signing.work;
    let fingerprint = operator.key.fingerprint;
    let person = operator.person.id.clone();
    let confirm = Callback::new(move |()| {
        let confirm = ConfirmKey {
            person: person.clone(),
            fingerprint,
        };
        work.run(async move {
            if signing
                .propose(NewAct::ConfirmKey(confirm))
                .await?
                .is_some()
            {
                portal.refresh_operators().await?;
            }
            Ok(())
        });
    });
    view! {
        <p>
            {format!(
                "Call {} on a number you already have. Ask for the six words on their screen. They must be exactly:",
                operator.person.name,
            )}
        </p>
        <p class="words" data-testid="confirm-words">{operator.key.words.join(" ")}</p>
        <Digest hex=fingerprint.to_hex() />
        <p class="hint">
            "If a word differs, another person may have used the link. Close this panel, revoke the key, and create a new invitation."
        </p>
        <SigningPanel signing=signing />
        <WorkButton
            work=work
            label="Words match: confirm key"
            testid="confirm-submit"
            class="primary"
            on_press=confirm
        />
    }
    .into_any()
}
