//! The facts of an act, which its signers compare with the helper's window.

use countersign_protocol::{
    act::{Act, HeldKey},
    activation::HsmName,
    cvc::Fingerprint,
};
use leptos::prelude::*;

use crate::{
    components::{Digest, Fact},
    words,
};

pub fn facts(act: &Act) -> AnyView {
    let rows = match act {
        Act::InvitePerson { .. } => return ().into_any(),
        Act::ConfirmKey { key, device, .. } => {
            let (key, device) = (key_fact(*key), device.to_string());
            view! {
                {key}
                <Fact name="Card">{device}</Fact>
            }
            .into_any()
        }
        Act::RegisterCustodian {
            hsm, quorum, key, ..
        } => {
            let (hsm, quorum) = (hsm_fact(hsm), quorum.to_string());
            let key = key_fact(*key);
            view! {
                {hsm}
                <Fact name="Quorum">{quorum}</Fact>
                {key}
            }
            .into_any()
        }
        Act::InitialiseHsm {
            hsm,
            quorum,
            allow_replace,
            destroys,
        } => {
            let (hsm, quorum) = (hsm_fact(hsm), quorum.to_string());
            let destroyed = destroyed(destroys);
            let replace = if *allow_replace {
                "Can be replaced later"
            } else {
                "Can't be replaced unless the HSM is erased again"
            };
            view! {
                {hsm}
                <Fact name="New quorum">{quorum}</Fact>
                <Fact name="Registered keys">{replace}</Fact>
                <Fact name="Destroyed signing keys">{destroyed}</Fact>
            }
            .into_any()
        }
        Act::AcceptDevice { device, .. } => {
            let device = device.to_string();
            view! { <Fact name="Device">{device}</Fact> }.into_any()
        }
        Act::CreateToken {
            owner,
            keys,
            certificate,
            ..
        } => {
            let owner = owner.name.clone();
            let keys = if keys.is_empty() {
                "All keys".to_owned()
            } else {
                format!("Only {}", words::all_of(keys))
            };
            let certificate = certificate.map(|digest| digest.to_string());
            view! {
                <Fact name="Acts for">{owner}</Fact>
                <Fact name="Keys">{keys}</Fact>
                {certificate
                    .map(|hex| {
                        view! {
                            <Fact name="Client certificate (SHA-256)">
                                <Digest hex=hex />
                            </Fact>
                        }
                    })}
            }
            .into_any()
        }
        Act::AllowRawRsa { key } => key_fact(key.fingerprint),
    };
    view! { <dl class="facts">{rows}</dl> }.into_any()
}

fn hsm_fact(hsm: &HsmName) -> AnyView {
    let name = format!("{} (device {})", hsm.id, hsm.device);
    view! { <Fact name="HSM">{name}</Fact> }.into_any()
}

fn key_fact(key: Fingerprint) -> AnyView {
    view! {
        <Fact name="Key">
            <div>{key.words().join(" ")}</div>
            <Digest hex=key.to_hex() />
        </Fact>
    }
    .into_any()
}

fn destroyed(keys: &[HeldKey]) -> AnyView {
    if keys.is_empty() {
        return "None: the HSM holds no signing keys".into_any();
    }
    let rows = keys.iter().map(|key| {
        let fingerprint = key.fingerprint.map(|key| key.short());
        view! {
            <div>
                {key.label.clone()} " "
                {fingerprint.map(|short| view! { <code class="quiet">{short}</code> })}
            </div>
        }
    });
    rows.collect_view().into_any()
}
