//! Ends the quarantine of an HSM that returned an invalid signature.

use countersign_protocol::{
    hsm::{HsmState, HsmView},
    id::HsmId,
    operator::Role,
};
use leptos::prelude::*;

use super::path;
use crate::{
    components::{Disclosure, TextField, WorkButton, WorkProblem},
    portal::Portal,
    work::{Work, problem},
};

/// The card with the form, for admins only and while the HSM is in quarantine.
#[component]
pub fn Quarantine(id: HsmId, view: Memo<Option<HsmView>>) -> impl IntoView {
    let portal = Portal::here();
    let open = RwSignal::new(false);
    let typed = RwSignal::new(String::new());
    let work = Work::new();
    let possible = Memo::new(move |_| {
        portal.is(Role::Admin)
            && view.with(|view| {
                view.as_ref()
                    .is_some_and(|view| matches!(view.state, HsmState::Quarantined { .. }))
            })
    });
    let id = StoredValue::new(id);
    let end = Callback::new(move |()| {
        let id = id.get_value();
        work.run(async move {
            if typed.get_untracked().trim() != id.as_str() {
                return Err(problem("Not confirmed", format!("Type “{id}” to confirm.")));
            }
            portal.delete(&path(&id, "/quarantine")).await?;
            typed.set(String::new());
            open.set(false);
            portal.refresh().await;
            Ok(())
        });
    });
    move || {
        possible.get().then(|| {
            view! {
                <section class="card" aria-labelledby="quarantine">
                    <h2 id="quarantine">"Quarantine"</h2>
                    <p class="hint">
                        "The HSM returned a signature that does not verify. Check the device before you let the server use it again."
                    </p>
                    <Disclosure open=open label="End quarantine…" testid="hsm-quarantine">
                        <TextField
                            label=format!("Type {} to confirm", id.get_value())
                            value=typed
                            testid="hsm-quarantine-name"
                        />
                        <WorkProblem work=work />
                        <WorkButton
                            work=work
                            label="End quarantine"
                            testid="hsm-quarantine-submit"
                            class="danger"
                            on_press=end
                        />
                    </Disclosure>
                </section>
            }
        })
    }
}
