//! Removes a remote HSM from the server.

use countersign_protocol::{hsm::HsmView, id::HsmId, operator::Role};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::path;
use crate::{
    components::{Disclosure, WorkButton, WorkProblem},
    portal::Portal,
    work::Work,
};

/// The card with the button. An HSM from the server's configuration can't be removed here, so the card is not shown for it.
#[component]
pub fn Remove(id: HsmId, view: Memo<Option<HsmView>>) -> impl IntoView {
    let portal = Portal::here();
    let open = RwSignal::new(false);
    let work = Work::new();
    let possible = Memo::new(move |_| {
        portal.is(Role::Admin) && view.with(|view| view.as_ref().is_some_and(|view| view.removable))
    });
    let navigate = use_navigate();
    let remove = Callback::new(move |()| {
        let path = path(&id, "");
        let navigate = navigate.clone();
        work.run(async move {
            portal.delete(&path).await?;
            navigate("/hsms", Default::default());
            portal.refresh().await;
            Ok(())
        });
    });
    move || {
        possible.get().then(|| {
            view! {
                <section class="card" aria-labelledby="remove">
                    <h2 id="remove">"Remote HSM"</h2>
                    <Disclosure open=open label="Remove HSM…" testid="hsm-withdraw">
                        <p>
                            "Locks the HSM and removes it from this server. The device's contents stay unchanged. To use it again, accept it again."
                        </p>
                        <WorkProblem work=work />
                        <WorkButton
                            work=work
                            label="Remove HSM"
                            testid="hsm-withdraw-submit"
                            class="danger"
                            on_press=remove
                        />
                    </Disclosure>
                </section>
            }
        })
    }
}
