//! The result of the enrolment: six words and the next step.

use countersign_protocol::operator::{KeyStatus, OperatorView};
use leptos::prelude::*;

use crate::{
    browser,
    components::{Digest, Fact},
};

#[component]
pub fn Enrolled(operator: OperatorView) -> impl IntoView {
    Effect::new(|_| browser::focus("#enrolled"));
    let key = operator.key;
    let confirmed = matches!(operator.status, KeyStatus::Confirmed { .. });
    let next = if confirmed {
        view! {
            <p>"You are the first admin, so no confirmation is needed. Log in and set up the HSM."</p>
            <p>
                <a class="button primary" href="/" data-testid="join-done">"Log in"</a>
            </p>
        }
        .into_any()
    } else {
        view! {
            <p>
                "Call the admin who invited you and read out these six words. Once the admin has confirmed them, "
                <a href="/" data-testid="join-done">"log in"</a> " with this card."
            </p>
        }
        .into_any()
    };
    view! {
        <section class="card">
            <h2 id="enrolled" tabindex="-1">"Your key is enrolled"</h2>
            <p class="words" data-testid="join-result">{key.words.join(" ")}</p>
            {next}
            <dl class="facts">
                <Fact name="Genuine card">
                    {format!("{}, certified by {}", key.device, key.anchor)}
                </Fact>
                <Fact name="Key ID (CHR)">{key.chr.as_str().to_owned()}</Fact>
                <Fact name="Fingerprint">
                    <Digest hex=key.fingerprint.to_hex() />
                </Fact>
            </dl>
        </section>
    }
    .into_any()
}
