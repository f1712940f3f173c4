//! Comparing a fingerprint with the person who has the key.

use countersign_protocol::operator::{ConfirmKey, OperatorView};
use leptos::prelude::*;

use crate::{
    api,
    components::{Digest, WorkButton, WorkProblem},
    portal::Portal,
    work::Work,
};

/// The comparison.
#[component]
pub fn ConfirmForm(
    /// Whose key.
    operator: OperatorView,
) -> impl IntoView {
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
                "Call {} on a number that you know. Let them read the words from their screen. Do you hear these?",
                operator.person.name,
            )}
        </p>
        <p class="words" data-testid="confirm-words">{operator.key.words.join(" ")}</p>
        <Digest hex=fingerprint.to_hex() />
        <p class="hint">
            "If one word differs, somebody else may have used the link: close this, revoke the key, and invite again."
        </p>
        <WorkProblem work=work />
        <WorkButton
            work=work
            label="Same words: confirm"
            testid="confirm-submit"
            class="primary"
            on_press=confirm
        />
    }
    .into_any()
}
