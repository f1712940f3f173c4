//! Taking back that a device may be attached from afar.

use countersign_protocol::{hsm::HsmView, id::HsmId, operator::Role};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use super::path;
use crate::{
    components::{Disclosure, WorkButton, WorkProblem},
    portal::Portal,
    work::Work,
};

/// The button; nothing for HSMs that the server's configuration names.
#[component]
pub fn Withdraw(
    /// Which HSM.
    id: HsmId,
    /// The HSM.
    view: Memo<Option<HsmView>>,
) -> impl IntoView {
    let portal = Portal::here();
    let open = RwSignal::new(false);
    let work = Work::new();
    let possible = Memo::new(move |_| {
        portal.is(Role::Admin)
            && view.with(|view| view.as_ref().is_some_and(|view| view.withdrawable))
    });
    let navigate = use_navigate();
    let withdraw = Callback::new(move |()| {
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
                <section class="card" aria-labelledby="withdraw">
                    <h2 id="withdraw">"Attached from afar"</h2>
                    <Disclosure open=open label="Withdraw …" testid="hsm-withdraw">
                        <p>
                            "The HSM is locked and not used any more, and its device has to be accepted again. Nothing on the device is changed."
                        </p>
                        <WorkProblem work=work />
                        <WorkButton
                            work=work
                            label="Withdraw the HSM"
                            testid="hsm-withdraw-submit"
                            class="danger"
                            on_press=withdraw
                        />
                    </Disclosure>
                </section>
            }
        })
    }
}
