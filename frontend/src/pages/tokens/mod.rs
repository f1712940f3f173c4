//! API tokens, with which builds request activations.

mod create;

use countersign_protocol::{id::TokenId, operator::Role, token::TokenView};
use leptos::prelude::*;

use crate::{
    api, browser,
    clock::Clock,
    components::{
        Badge, Disclosure, Empty, Loading, Page, ProblemView, Rows, When, WorkButton, WorkProblem,
    },
    fetched::{Fetched, Shown},
    portal::Portal,
    words,
    work::Work,
};
use create::CreateForm;

#[component]
pub fn Tokens() -> impl IntoView {
    let portal = Portal::here();
    let open = RwSignal::new(false);
    let tokens = Fetched::<TokenView>::follow(portal, "/tokens", portal.people_changed);
    let failed = tokens.failed;
    let all = tokens.items();
    let shown = tokens.shown(all);
    let list = move || {
        match shown.get() {
        Shown::Failed => ().into_any(),
        Shown::Loading => view! { <Loading /> }.into_any(),
        Shown::Empty => view! {
            <Empty>
                <p>"No tokens yet. Create one so that a build can run " <code>"countersign sign"</code> "."</p>
            </Empty>
        }
        .into_any(),
        Shown::Rows => view! {
            <ul class="rows">
                <Rows
                    items=all
                    key=|token| token.id.to_string()
                    row=|token| (move || view! { <Token token=token.get() /> }).into_any()
                />
            </ul>
        }
        .into_any(),
    }
    };
    view! {
        <Page title="Tokens">
            <p class="lead">
                "A token lets a program request activations and sign on your behalf, as a requester only. Custodians still approve."
            </p>
            {portal
                .is(Role::Requester)
                .then(|| {
                    view! {
                        <Disclosure open=open label="Create token…" testid="token-open" class="primary">
                            <CreateForm />
                        </Disclosure>
                    }
                })}
            <ProblemView problem=failed />
            {list}
            <section class="card" aria-labelledby="connect">
                <h2 id="connect">"Connect a build"</h2>
                <p>
                    "Put these two lines into " <code>"~/.config/countersign/config.toml"</code>
                    ", and the token into the file that the second line names:"
                </p>
                <pre class="sample">
                    {format!(
                        "server = \"{}\"\ntoken_file = \"/home/build/.countersign-token\"",
                        browser::origin(),
                    )}
                </pre>
                <pre class="sample">
                    "countersign sign --key KEY --reason \"Firmware 4.2.1\" out/*.bin"
                </pre>
            </section>
        </Page>
    }
}

#[component]
fn Token(token: TokenView) -> impl IntoView {
    let keys = if token.keys.is_empty() {
        "all keys".to_owned()
    } else {
        format!("only {}", words::all_of(&token.keys))
    };
    let testid = format!("token-{}", token.id);
    let clock = use_context::<Clock>();
    let expires_at = token.expires_at;
    let expired = Memo::new(move |_| clock.is_some_and(|clock| expires_at <= clock.now()));
    let revocable = token.revoked_at.is_none();
    view! {
        <li class="row" data-testid=testid>
            <div class="row-link">
                <span class="row-title">{token.label.clone()}</span>
                <span class="row-text">{format!("For {} · {keys}", token.owner.name)}</span>
                {token
                    .certificate
                    .map(|certificate| {
                        view! {
                            <span class="row-text">
                                {format!("Certificate {} · expires ", certificate.subject)} <When at=certificate.not_after />
                            </span>
                            <code class="row-text">{format!("SHA-256 {}", certificate.fingerprint)}</code>
                        }
                    })}
                <span class="quiet">
                    "Created " <When at=token.created_at /> " · "
                    {match token.last_used_at {
                        Some(at) => view! { "used " <When at=at /> }.into_any(),
                        None => "never used".into_any(),
                    }} " · expires " <When at=token.expires_at />
                </span>
            </div>
            <div class="row-side">
                {match token.revoked_at {
                    Some(at) => {
                        view! {
                            <Badge tone="bad" text="Revoked" />
                            <span class="quiet">
                                <When at=at />
                            </span>
                        }
                            .into_any()
                    }
                    None => {
                        (move || {
                            if expired.get() {
                                view! { <Badge tone="plain" text="Expired" /> }
                            } else {
                                view! { <Badge tone="good" text="Active" /> }
                            }
                        })
                            .into_any()
                    }
                }} {revocable.then(|| view! { <Revoke id=token.id label=token.label /> })}
            </div>
        </li>
    }
    .into_any()
}

#[component]
fn Revoke(id: TokenId, label: String) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let open = RwSignal::new(false);
    let testid = format!("token-revoke-{id}");
    let revoke = Callback::new(move |()| {
        let path = format!("/tokens/{}", api::part(id.as_str()));
        work.run(async move {
            portal.delete(&path).await?;
            portal.people_changed.update(|count| *count += 1);
            Ok(())
        });
    });
    view! {
        <Disclosure open=open label=format!("Revoke token “{label}”…") testid=testid>
            <p>{format!("Programs that use “{label}” lose access immediately. This can't be undone.")}</p>
            <WorkProblem work=work />
            <WorkButton
                work=work
                label="Revoke token"
                testid="token-revoke-submit"
                class="danger"
                on_press=revoke
            />
        </Disclosure>
    }
    .into_any()
}
