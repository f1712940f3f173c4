//! Confirms a key after its fingerprint is compared with the owner.

use countersign_protocol::operator::{ConfirmKey, OperatorView};
use leptos::prelude::*;

use crate::{
    api,
    components::{Digest, WorkButton, WorkProblem},
    portal::Portal,
    work::Work,
};

/// The words to compare, and the button that confirms the key.
#[component]
pub fn ConfirmForm(operator: OperatorView) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let fingerprint = operator.key.fingerprint;
    let path = format!(
        "/operators/{}/confirm",
        api::part(operator.person.id.as_str())
    );
    let confirm = Callback::new(move |()| {
        let path = path.clone();
        work.run(async move {
            let view = portal.post(&path, &ConfirmKey { fingerprint }).await?;
            portal.put_operator(view);
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
        <WorkProblem work=work />
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
