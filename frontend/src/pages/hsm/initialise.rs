//! Sets up a quorum; erases the device.

use countersign_protocol::{
    activation::Quorum,
    hsm::{HsmState, HsmView, InitialiseHsm},
    id::HsmId,
    operator::Role,
    problem::Problem,
};
use leptos::prelude::*;

use super::path;
use crate::{
    components::{CheckField, Disclosure, TextField, WorkButton, WorkProblem},
    portal::Portal,
    words,
    work::{Work, problem},
};

/// For admins.
#[component]
pub fn Initialise(
    /// Which HSM.
    id: HsmId,
    /// As it stands.
    view: Memo<Option<HsmView>>,
) -> impl IntoView {
    let portal = Portal::here();
    let open = RwSignal::new(false);
    let possible = Memo::new(move |_| {
        portal.is(Role::Admin)
            && view.with(|view| {
                view.as_ref().is_some_and(|view| {
                    matches!(
                        view.state,
                        HsmState::Uninitialised | HsmState::Registering | HsmState::Locked
                    )
                })
            })
    });
    let keys =
        Memo::new(move |_| view.with(|view| view.as_ref().map_or(0, |view| view.keys.len())));
    let id = StoredValue::new(id);
    view! {
        {move || {
            possible
                .get()
                .then(|| {
                    view! {
                        <section class="card" aria-labelledby="initialise">
                            <h2 id="initialise">"Initialise"</h2>
                            <p class="hint">
                                "Sets the quorum and erases everything on the device. No user PIN is set, so the quorum is the only way in."
                            </p>
                            <Disclosure open=open label="Initialise …" testid="hsm-initialise">
                                <Form id=id.get_value() keys=keys open=open />
                            </Disclosure>
                        </section>
                    }
                })
        }}
    }
    .into_any()
}

#[component]
fn Form(id: HsmId, keys: Memo<usize>, open: RwSignal<bool>) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let required = RwSignal::new("2".to_owned());
    let total = RwSignal::new("3".to_owned());
    let replace = RwSignal::new(false);
    let typed = RwSignal::new(String::new());
    let name = id.to_string();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let id = id.clone();
        work.run(async move {
            let quorum = quorum(&required.get_untracked(), &total.get_untracked())?;
            let has_keys = keys.get_untracked() > 0;
            if has_keys && typed.get_untracked().trim() != id.as_str() {
                return Err(problem(
                    "The name differs",
                    format!(
                        "All keys on this HSM will be gone. Type its name, {id}, if you mean it."
                    ),
                ));
            }
            let body = InitialiseHsm {
                quorum,
                allow_replace: replace.get_untracked(),
                erase: has_keys.then(|| id.clone()),
            };
            portal
                .ask_hsm(portal.post(&path(&id, "/initialise"), &body))
                .await?;
            open.set(false);
            Ok(())
        });
    };
    let advice = move || advice(&required.get(), &total.get());
    view! {
        <form class="form" on:submit=submit>
            <div class="pair">
                <TextField
                    label="Custodians needed"
                    value=required
                    testid="init-required"
                    kind="number"
                    min="1"
                    max="255"
                />
                <TextField
                    label="Custodians in all"
                    value=total
                    testid="init-total"
                    kind="number"
                    min="1"
                    max="255"
                />
            </div>
            <p class="hint" role="status">{advice}</p>
            <CheckField
                label="Registered keys may be replaced later"
                value=replace
                testid="init-replace"
                hint="With it the key of a lost card can be replaced later, though not from this portal yet. Without it, who is registered stays so until the next erasure."
            />
            {move || {
                let keys = keys.get();
                let warning = (keys > 0)
                    .then(|| format!("There is {} on this HSM. Initialising destroys it for good.", words::count(keys as u64, "key")));
                warning.map(|text| view! { <p class="notice bad">{text}</p> })
            }}
            <TextField
                label="Name of the HSM, to confirm the erasure"
                value=typed
                testid="init-label"
                required=Signal::derive(move || keys.get() > 0)
                hint=format!("{name}; needed where there are keys on it.")
            />
            <p class="hint">
                "The SO-PIN is entered at the server, never here. If it isn't configured there, the server's terminal asks for it now."
            </p>
            <WorkProblem work=work />
            <WorkButton work=work label="Erase and initialise" testid="init-submit" class="danger" />
        </form>
    }
    .into_any()
}

fn quorum(required: &str, total: &str) -> Result<Quorum, Problem> {
    match (required.trim().parse(), total.trim().parse()) {
        (Ok(required), Ok(total)) if 1 <= required && required <= total => {
            Ok(Quorum { required, total })
        }
        _ => Err(problem(
            "These numbers don't fit",
            "At least 1 custodian is needed, and not more than there are in all.",
        )),
    }
}

/// What the numbers mean.
fn advice(required: &str, total: &str) -> String {
    let Ok(quorum) = quorum(required, total) else {
        return String::new();
    };
    let spare = quorum.total - quorum.required;
    let lost = match spare {
        0 => "If one card is lost, the keys are lost".to_owned(),
        1 => "One card may be lost".to_owned(),
        spare => format!("{spare} cards may be lost"),
    };
    let alone = match quorum.required {
        1 => "anybody alone can open the HSM".to_owned(),
        2 => "nobody alone can open the HSM".to_owned(),
        required => format!("{} together can't open the HSM", required - 1),
    };
    format!("{quorum}: {lost}; {alone}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_both_dangers() {
        assert_eq!(
            advice("2", "3"),
            "2 of 3: One card may be lost; nobody alone can open the HSM."
        );
        assert_eq!(
            advice("3", "5"),
            "3 of 5: 2 cards may be lost; 2 together can't open the HSM."
        );
        assert_eq!(advice("4", "3"), "");
    }
}
