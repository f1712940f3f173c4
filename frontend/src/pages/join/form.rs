//! The form that chooses card and key.

use countersign_protocol::{
    cvc::{Chr, DeviceId, Fingerprint},
    helper::{CardKeyView, CardView, EnrolKey},
    operator::{Enrolment, OpenInvitation, OpenedInvitation, OperatorView},
    problem::Problem,
};
use leptos::prelude::*;

use crate::{
    api, browser,
    components::{HelperPanel, HelperProgress, TextField, WorkButton, WorkProblem},
    helper::Helper,
    words,
    work::{Work, problem},
};

/// The chosen key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// No choice yet: the first suitable key of the card, or else a new key.
    Default,
    Existing(Fingerprint),
    New,
}

#[component]
pub fn Form(
    code: String,
    name: String,
    /// Receives the new operator.
    enrolled: RwSignal<Option<OperatorView>>,
) -> impl IntoView {
    let helper = Helper::here();
    let work = Work::new();
    let device = RwSignal::new(None::<DeviceId>);
    let choice = RwSignal::new(Choice::Default);
    let label = RwSignal::new(format!("Countersign {name}"));
    let chr = RwSignal::new(proposed_chr(&name, browser::country().as_deref()));
    let cards = Memo::new(move |_| helper.cards());
    let card = Memo::new(move |_| {
        let device = device.get();
        cards.with(|cards| {
            let chosen = cards
                .iter()
                .find(|card| Some(&card.device) == device.as_ref());
            chosen
                .or_else(|| cards.first().filter(|_| cards.len() == 1))
                .cloned()
        })
    });
    let key = Memo::new(move |_| {
        let suitable = card.with(|card| {
            card.as_ref()
                .and_then(|card| suitable(card).next().map(|key| key.fingerprint))
        });
        match (choice.get(), suitable) {
            (Choice::Default, Some(key)) => Choice::Existing(key),
            (Choice::Default, None) => Choice::New,
            (chosen, _) => chosen,
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let code = code.clone();
        work.run(async move {
            let card = card
                .get_untracked()
                .ok_or_else(|| problem("No card chosen", "Insert your card, then choose it."))?;
            let key = match key.get_untracked() {
                Choice::Existing(fingerprint) => EnrolKey::Existing { fingerprint },
                Choice::New | Choice::Default => {
                    new_key(&label.get_untracked(), &chr.get_untracked())?
                }
            };
            enrolled.set(Some(enrol(helper, code, card.device, key).await?));
            Ok(())
        });
    };
    view! {
        <form class="card form" on:submit=submit>
            <HelperPanel />
            <CardField cards=cards card=card device=device choice=choice />
            {move || card.get().map(|card| view! { <Keys card=card key=key choice=choice /> })}
            {move || {
                (card.with(Option::is_some) && key.get() == Choice::New)
                    .then(|| view! { <NewKey label=label chr=chr /> })
            }}
            <HelperProgress busy=work.busy />
            <WorkProblem work=work />
            <WorkButton
                work=work
                label="Enrol key"
                testid="join-submit"
                class="primary"
                disabled=Signal::derive(move || card.with(Option::is_none))
            />
        </form>
    }
    .into_any()
}

async fn enrol(
    helper: Helper,
    code: String,
    device: DeviceId,
    key: EnrolKey,
) -> Result<OperatorView, Problem> {
    // The helper signs each task only once, so every attempt needs a new task.
    let opened: OpenedInvitation =
        api::post("/enrolment/open", &OpenInvitation { code: code.clone() }).await?;
    let (pka, statement) = helper.enrol(opened.task, device, key).await?;
    let enrolment = Enrolment {
        code,
        pka,
        statement: Some(statement),
    };
    api::post("/enrolment", &enrolment).await
}

fn suitable(card: &CardView) -> impl Iterator<Item = &CardKeyView> {
    card.keys.iter().filter(|key| key.unsuitable.is_none())
}

#[component]
fn CardField(
    cards: Memo<Vec<CardView>>,
    card: Memo<Option<CardView>>,
    device: RwSignal<Option<DeviceId>>,
    choice: RwSignal<Choice>,
) -> impl IntoView {
    view! {
        {move || {
            let cards = cards.get();
            (!cards.is_empty())
                .then(|| {
                    view! {
                        <fieldset>
                            <legend>"Card"</legend>
                            {cards
                                .into_iter()
                                .map(|view| {
                                    let id = view.device.clone();
                                    let is_chosen = Signal::derive(move || {
                                        card.with(|card| card.as_ref().is_some_and(|card| card.device == id))
                                    });
                                    card_choice(&view, is_chosen, device, choice)
                                })
                                .collect_view()}
                        </fieldset>
                    }
                })
        }}
    }
    .into_any()
}

fn card_choice(
    card: &CardView,
    is_chosen: Signal<bool>,
    device: RwSignal<Option<DeviceId>>,
    choice: RwSignal<Choice>,
) -> AnyView {
    let id = card.device.clone();
    let version = card
        .version
        .as_ref()
        .map_or(String::new(), |version| format!(" · firmware {version}"));
    view! {
        <label class="choice">
            <input
                type="radio"
                name="join-card"
                data-testid=format!("join-card-{id}")
                prop:checked=move || is_chosen.get()
                on:change=move |_| {
                    device.set(Some(id.clone()));
                    // A key belongs to its card, so a new card resets the choice.
                    choice.set(Choice::Default);
                }
            />
            <span>
                {if card.label.is_empty() { "SmartCard-HSM".to_owned() } else { card.label.clone() }}
                <span class="hint">
                    {format!("{} · certified by {}{version}", card.device, card.anchor)}
                </span>
            </span>
        </label>
    }
    .into_any()
}

#[component]
fn Keys(card: CardView, key: Memo<Choice>, choice: RwSignal<Choice>) -> impl IntoView {
    let existing = card.keys.into_iter().map(|view| {
        let this = Choice::Existing(view.fingerprint);
        let unsuitable = view.unsuitable;
        view! {
            <label class="choice">
                <input
                    type="radio"
                    name="join-key"
                    data-testid=format!("join-key-{}", view.fingerprint.to_hex())
                    disabled=unsuitable.is_some()
                    prop:checked=move || key.get() == this
                    on:change=move |_| choice.set(this)
                />
                <span>
                    {format!("“{}”, {}", view.label, view.kind)} <span class="hint">{unsuitable}</span>
                </span>
            </label>
        }
    });
    view! {
        <fieldset>
            <legend>"Key"</legend>
            {existing.collect_view()}
            <label class="choice">
                <input
                    type="radio"
                    name="join-key"
                    data-testid="join-generate"
                    prop:checked=move || key.get() == Choice::New
                    on:change=move |_| choice.set(Choice::New)
                />
                <span>
                    "New key" <span class="hint">"Generated on the card; it can't be exported."</span>
                </span>
            </label>
        </fieldset>
    }
    .into_any()
}

#[component]
fn NewKey(label: RwSignal<String>, chr: RwSignal<String>) -> impl IntoView {
    // Checked on every keystroke, with the same code that the helper uses.
    let hint = Signal::derive(move || match Chr::parse_new(&chr.get()) {
        Ok(_) => {
            "Country code, 1–9 letters or digits, then 5 characters. Example: DEANNASMITH00001."
                .to_owned()
        }
        Err(error) => words::sentence(&error.to_string()),
    });
    view! {
        <TextField label="Key label" value=label testid="join-label" />
        <TextField label="Key ID (CHR)" value=chr testid="join-chr" hint=hint />
    }
    .into_any()
}

fn new_key(label: &str, chr: &str) -> Result<EnrolKey, Problem> {
    let chr =
        Chr::parse_new(chr).map_err(|error| problem("Key ID can't be used", error.to_string()))?;
    Ok(EnrolKey::Generate {
        label: label.trim().to_owned(),
        chr,
    })
}

/// The country code, up to nine letters of the person's name, and the number 1. Without a country the code is `UT`, which other
/// software for these cards uses as well.
fn proposed_chr(name: &str, country: Option<&str>) -> String {
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(9)
        .collect::<String>()
        .to_ascii_uppercase();
    let letters = if letters.is_empty() {
        "CUSTODIAN"
    } else {
        &letters
    };
    format!("{}{letters}00001", country.unwrap_or("UT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposed_key_ids_obey_the_rules() {
        for name in ["Anna Smith", "Ö", "李", "Maximilian-Alexander"] {
            for country in [None, Some("DE")] {
                Chr::parse_new(&proposed_chr(name, country)).unwrap();
            }
        }
        assert_eq!(proposed_chr("Anna Smith", Some("DE")), "DEANNASMITH00001");
    }
}
