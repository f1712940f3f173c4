//! Acts: what is shown, what is signed, and what is refused without a prompt.

use countersign_helper::prompt::{scripted::Shown, text};
use countersign_protocol::{
    Timestamp,
    act::{Act, ActTerms, HeldKey},
    activation::{HsmName, Quorum},
    cvc::{DeviceId, Fingerprint},
    digest::Sha256Digest,
    dsse::Envelope,
    helper::{Answer, HelperError, HelperErrorCode, Operation, Step},
    id::{ActId, HsmId, OperatorId},
    operator::{Person, Role},
    purpose::KeyName,
    statement::ActStatement,
    task::{ActTask, Task},
};
use serde_json::{Value, json};

use crate::support::{ORIGIN, Server, TestHelper, silent};

fn person(name: &str, id: &str) -> Person {
    Person {
        id: OperatorId::new(id),
        name: name.to_owned(),
    }
}

fn hsm() -> HsmName {
    HsmName {
        id: HsmId::new("release"),
        device: DeviceId("DEHSM90000100001".parse().unwrap()),
    }
}

fn quorum() -> Quorum {
    Quorum {
        required: 2,
        total: 5,
    }
}

/// One act of each kind, with every optional fact.
fn acts() -> Vec<Act> {
    let acts = vec![
        Act::InvitePerson {
            name: "Ben Example".to_owned(),
            roles: vec![Role::Custodian, Role::Auditor],
        },
        Act::ConfirmKey {
            person: person("Ben Example", "op-ben"),
            roles: vec![Role::Custodian],
            key: Fingerprint([5; 32]),
            device: DeviceId("DECAR00000700001".parse().unwrap()),
        },
        Act::RegisterCustodian {
            hsm: hsm(),
            quorum: quorum(),
            person: person("Ben Example", "op-ben"),
            key: Fingerprint([5; 32]),
        },
        Act::InitialiseHsm {
            hsm: hsm(),
            quorum: quorum(),
            allow_replace: true,
            destroys: vec![
                HeldKey {
                    label: "fit-2025".to_owned(),
                    fingerprint: Some(Fingerprint([6; 32])),
                },
                HeldKey {
                    label: "fit-2026".to_owned(),
                    fingerprint: None,
                },
            ],
        },
        Act::AcceptDevice {
            device: DeviceId("DEHSM90000200001".parse().unwrap()),
            hsm: HsmId::new("laptop"),
        },
        Act::CreateToken {
            label: "build machine".to_owned(),
            owner: person("Doug Smith", "op-doug"),
            keys: vec!["fit-2026".to_owned(), "kernel".to_owned()],
            days: 90,
            certificate: Some(Sha256Digest([7; 32])),
        },
        Act::AllowRawRsa {
            key: KeyName {
                label: "old-rsa".to_owned(),
                fingerprint: Fingerprint([8; 32]),
            },
        },
    ];
    // A new kind does not compile here until it has a number and a sample.
    let mut kinds: Vec<usize> = acts.iter().map(number).collect();
    kinds.dedup();
    assert_eq!(kinds, (0..7).collect::<Vec<_>>());
    acts
}

fn number(act: &Act) -> usize {
    match act {
        Act::InvitePerson { .. } => 0,
        Act::ConfirmKey { .. } => 1,
        Act::RegisterCustodian { .. } => 2,
        Act::InitialiseHsm { .. } => 3,
        Act::AcceptDevice { .. } => 4,
        Act::CreateToken { .. } => 5,
        Act::AllowRawRsa { .. } => 6,
    }
}

fn terms(act: Act) -> ActTerms {
    ActTerms {
        id: ActId::new("act-7"),
        act,
        proposer: person("Anna Admin", "op-anna"),
        signatures: 2,
        proposed_at: "2026-10-02T14:05:00Z".parse().unwrap(),
        expires_at: "2099-01-01T00:00:00Z".parse().unwrap(),
    }
}

fn act_task(helper: &TestHelper, act: Act) -> ActTask {
    ActTask {
        terms: terms(act),
        key: helper.card().key,
        signed_by: vec!["Anna Admin".to_owned()],
    }
}

fn signed_task(helper: &TestHelper, task: ActTask) -> Envelope {
    helper.server.task(Task::SignAct(Box::new(task)))
}

fn request(helper: &TestHelper, task: ActTask) -> Result<Answer, HelperError> {
    let task = signed_task(helper, task);
    helper.portal().request(Operation::SignAct { task })
}

fn last_consent(helper: &TestHelper) -> String {
    let shown = helper.user.shown();
    let mut consents = shown.into_iter().filter_map(|shown| match shown {
        Shown::Consent(text) => Some(text),
        _ => None,
    });
    consents.next_back().unwrap()
}

/// The consent to these terms. The card signs exactly these terms.
fn consent(helper: &TestHelper, terms: ActTerms) -> String {
    let task = ActTask {
        terms: terms.clone(),
        key: helper.card().key,
        signed_by: Vec::new(),
    };
    let task = signed_task(helper, task);
    let answer = helper
        .conversation()
        .answer(Operation::SignAct { task }, &silent());
    let Ok(Answer::Statement { statement }) = answer else {
        panic!("{answer:?} for {terms:?}")
    };
    let signed: ActStatement = statement.verify(&helper.card().public_key).unwrap();
    assert_eq!(signed.terms, terms);
    last_consent(helper)
}

fn refused_without_prompt(helper: &TestHelper, operation: Operation, words: &str) {
    let before = helper.user.shown();
    let signed = helper.sign_count();
    let error = helper.portal().request(operation).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRejected, "{error}");
    assert!(error.message.contains(words), "{error}");
    assert_eq!(helper.user.shown(), before, "a prompt was opened");
    assert_eq!(helper.sign_count(), signed);
}

#[test]
fn an_act_is_bound_to_page_server_and_key() {
    let helper = TestHelper::with_card().enrolled();
    let mut portal = helper.portal();
    let act = acts().remove(0);
    let task = signed_task(&helper, act_task(&helper, act.clone()));
    let answer = portal.request(Operation::SignAct { task });
    let Ok(Answer::Statement { statement }) = answer else {
        panic!("{answer:?}")
    };
    let signed: ActStatement = statement.verify(&helper.card().public_key).unwrap();
    let expected = ActStatement {
        terms: terms(act),
        origin: ORIGIN.to_owned(),
        server_key: helper.server.fingerprint(),
        key: helper.card().key,
        at: signed.at,
    };
    assert_eq!(signed, expected);
    assert_eq!(
        portal.steps,
        [Step::WaitingForConsent, Step::WaitingForPin, Step::Signing]
    );
    let [Shown::Consent(_), Shown::Pin(pin)] = &helper.user.shown()[..] else {
        panic!()
    };
    assert!(pin.contains(&expected.terms.act.in_words()), "{pin}");
    assert_eq!((helper.verify_count(), helper.sign_count()), (1, 1));
}

/// The paths of everything in a JSON value that is not an object or a list.
fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| leaves(value, format!("{path}/{name}"), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| leaves(value, format!("{path}/{index}"), found)),
        _ => found.push(path),
    }
}

/// Other values for a leaf, of which at least one has the leaf's type.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(value) => vec![json!(!value)],
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            vec![json!(number + 1), json!(number - 1)]
        }
        Value::String(text) => {
            let (start, end) = text.split_at(text.len() - 1);
            let digit = if end == "1" { "2" } else { "1" };
            let roles = Role::ALL.map(|role| json!(role));
            let times = ["2098-12-31T22:05:00Z", "2026-01-31T22:05:00Z"].map(|time| json!(time));
            let texts = [json!(format!("{start}{digit}")), json!(format!("{text}x"))];
            let mut others = if text.parse::<Timestamp>().is_ok() {
                times.to_vec()
            } else {
                roles.into_iter().chain(texts).collect()
            };
            others.retain(|other| other != value);
            others
        }
        _ => panic!("{value}"),
    }
}

/// Whoever signs an act sees it change with each of its facts, so none is signed unseen.
#[test]
fn every_fact_of_an_act_is_shown() {
    for act in acts() {
        // A page must not ask one helper so often.
        let helper = TestHelper::with_card().enrolled();
        let terms = terms(act);
        let shown = consent(&helper, terms.clone());
        let json = serde_json::to_value(&terms).unwrap();
        let mut paths = Vec::new();
        leaves(&json, String::new(), &mut paths);
        // The kind of the act decides which facts there are.
        paths.retain(|path| path != "/act/type");
        for path in paths {
            let changed = others(json.pointer(&path).unwrap())
                .into_iter()
                .find_map(|other| {
                    let mut json = json.clone();
                    *json.pointer_mut(&path).unwrap() = other;
                    let changed: ActTerms = serde_json::from_value(json).ok()?;
                    (changed.signatures <= 2 && changed != terms).then_some(changed)
                })
                .unwrap_or_else(|| panic!("{path} has no other value"));
            let other = consent(&helper, changed);
            assert_ne!(other, shown, "{path} is not shown");
        }
    }
}

#[test]
fn the_consent_names_people_keys_and_what_follows() {
    let helper = TestHelper::with_card().enrolled();
    for act in acts() {
        request(&helper, act_task(&helper, act.clone())).unwrap();
        let shown = last_consent(&helper);
        let mut facts = vec![
            "Countersign: sign act".to_owned(),
            act.in_words(),
            act.consequence(),
            "Anna Admin".to_owned(),
            "2026-10-02 14:05 UTC".to_owned(),
            "2099-01-01 00:00 UTC".to_owned(),
            "1 of 2 so far; yours carries it out at once".to_owned(),
            ORIGIN.to_owned(),
            countersign_protocol::words::of_server_key(&helper.server.fingerprint()),
            helper.card().device.id().serial().to_owned(),
        ];
        let key = Fingerprint([5; 32]);
        let key = [key.words().join(" "), text::grouped(&key.to_hex())];
        match act {
            Act::ConfirmKey { device, .. } => {
                facts.extend(key);
                facts.push(device.to_string());
            }
            Act::RegisterCustodian { hsm, .. } => {
                facts.extend(key);
                facts.push(hsm.device.to_string());
            }
            Act::InitialiseHsm { hsm, .. } => facts.extend([
                hsm.device.to_string(),
                format!("{}  fit-2025", Fingerprint([6; 32]).to_hex()),
                "unknown public key  fit-2026".to_owned(),
            ]),
            Act::CreateToken { certificate, .. } => {
                facts.push(text::grouped(&certificate.unwrap().to_string()));
            }
            Act::AllowRawRsa { key } => facts.push(text::grouped(&key.fingerprint.to_hex())),
            Act::InvitePerson { .. } | Act::AcceptDevice { .. } => {}
        }
        for fact in facts {
            assert!(shown.contains(&fact), "{fact} in {shown}");
        }
    }
}

#[test]
fn no_name_in_an_act_looks_like_a_fact_or_like_two_names() {
    let helper = TestHelper::with_card().enrolled();
    let mut task = act_task(
        &helper,
        Act::CreateToken {
            label: "build\nKeys  none\u{202E}".to_owned(),
            owner: person("Doug\r\nLifetime  1 day", "op-doug"),
            keys: vec!["a, b".to_owned(), "c".to_owned()],
            days: 90,
            certificate: None,
        },
    );
    task.signed_by = vec!["Anna, Ben\nSignatures  0 of 1".to_owned()];
    request(&helper, task).unwrap();
    let shown = last_consent(&helper);
    assert!(!shown.contains(['\r', '\u{202E}']), "{shown}");
    let lines = |label: &str| {
        let begins = |line: &&str| line.split("  ").next() == Some(label);
        shown.lines().filter(begins).count()
    };
    assert_eq!((lines("Keys"), lines("Key")), (0, 2), "{shown}");
    assert_eq!((lines("Lifetime"), lines("Signatures")), (1, 1), "{shown}");
    assert_eq!(lines("Signed by"), 1, "{shown}");
}

#[test]
fn a_quorum_of_one_is_shown_in_capitals() {
    let helper = TestHelper::with_card().enrolled();
    for required in [1, 2] {
        let quorum = Quorum { required, total: 3 };
        let initialise = Act::InitialiseHsm {
            hsm: hsm(),
            quorum,
            allow_replace: false,
            destroys: Vec::new(),
        };
        let register = Act::RegisterCustodian {
            hsm: hsm(),
            quorum,
            person: person("Ben Example", "op-ben"),
            key: Fingerprint([5; 32]),
        };
        for act in [initialise, register] {
            request(&helper, act_task(&helper, act)).unwrap();
            let shown = last_consent(&helper);
            assert_eq!(shown.contains("ANY ONE"), required == 1, "{shown}");
        }
    }
}

#[test]
fn a_cancelled_act_gives_nothing() {
    let helper = TestHelper::with_card().enrolled();
    let task = signed_task(&helper, act_task(&helper, acts().remove(0)));
    helper.user.answer_next_consent(false);
    let operation = Operation::SignAct { task };
    let error = helper.portal().request(operation.clone()).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::Cancelled);
    assert_eq!((helper.verify_count(), helper.sign_count()), (0, 0));
    // The same task cannot ask again.
    refused_without_prompt(&helper, operation, "already answered");
}

#[test]
fn an_act_is_signed_once_for_each_task() {
    let helper = TestHelper::with_card().enrolled();
    let task = signed_task(&helper, act_task(&helper, acts().remove(0)));
    let operation = Operation::SignAct { task };
    helper.portal().request(operation.clone()).unwrap();
    refused_without_prompt(&helper, operation, "already answered");
}

#[test]
fn acts_of_strangers_and_expired_acts_are_refused() {
    let unknown = TestHelper::with_card();
    let task = signed_task(&unknown, act_task(&unknown, acts().remove(0)));
    let operation = Operation::SignAct { task };
    refused_without_prompt(&unknown, operation, "doesn't know the server key");

    let helper = TestHelper::with_card().enrolled();
    let act = || act_task(&helper, acts().remove(0));
    let task = |act: ActTask| Task::SignAct(Box::new(act));
    let other = Server::new(8).task(task(act()));
    let origin = "https://evil.example";
    let elsewhere = helper.server.task_for(origin, 300, task(act()));
    let late = helper.server.task_for(ORIGIN, -1, task(act()));
    let mut expired = act();
    expired.terms.expires_at = Timestamp::now();
    let expired = helper.server.task(task(expired));
    for (task, words) in [
        (other, "has changed"),
        (elsewhere, origin),
        (late, "expired"),
        (expired, "expired"),
        (helper.server.log_in(), "differ"),
        (helper.server.enrol(), "differ"),
        (helper.server.approve(helper.card().key, &[1; 8]), "differ"),
    ] {
        refused_without_prompt(&helper, Operation::SignAct { task }, words);
    }
    let task = helper.server.task(task(act()));
    let key = helper.card().key;
    for operation in [
        Operation::LogIn {
            task: task.clone(),
            key,
        },
        Operation::Approve { task },
    ] {
        refused_without_prompt(&helper, operation, "differ");
    }
}

#[test]
fn only_a_key_on_a_card_of_ones_own_signs_an_act() {
    let helper = TestHelper::with_card().enrolled();
    let mut missing = act_task(&helper, acts().remove(0));
    missing.key = Fingerprint([1; 32]);
    let error = request(&helper, missing).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardMissing, "{error}");
    let device = helper.card().device.id().clone();
    let own = HsmName {
        id: HsmId::new("release"),
        device: device.clone(),
    };
    for act in [
        Act::RegisterCustodian {
            hsm: own.clone(),
            quorum: quorum(),
            person: person("Ben Example", "op-ben"),
            key: Fingerprint([5; 32]),
        },
        Act::InitialiseHsm {
            hsm: own,
            quorum: quorum(),
            allow_replace: false,
            destroys: Vec::new(),
        },
        Act::AcceptDevice {
            device,
            hsm: HsmId::new("laptop"),
        },
    ] {
        let task = signed_task(&helper, act_task(&helper, act));
        refused_without_prompt(&helper, Operation::SignAct { task }, "your own cards");
    }
}

/// Every change exceeds one limit.
#[test]
fn an_act_that_no_server_may_send_is_refused() {
    let helper = TestHelper::with_card().enrolled();
    let changed = |act: usize, change: &dyn Fn(&mut ActTask)| {
        let mut task = act_task(&helper, acts().remove(act));
        change(&mut task);
        signed_task(&helper, task)
    };
    let with = |act: Act| signed_task(&helper, act_task(&helper, act));
    let long = |bytes: usize| "x".repeat(bytes);
    let initialise = |quorum: Quorum, destroys: Vec<HeldKey>| Act::InitialiseHsm {
        hsm: hsm(),
        quorum,
        allow_replace: false,
        destroys,
    };
    let held = |label: String| HeldKey {
        label,
        fingerprint: None,
    };
    let token = |label: String, keys: Vec<String>| Act::CreateToken {
        label,
        owner: person("Doug Smith", "op-doug"),
        keys,
        days: 90,
        certificate: None,
    };
    let invite = |name: String, roles: Vec<Role>| Act::InvitePerson { name, roles };
    let impossible = |required: u8| Quorum { required, total: 5 };
    for task in [
        changed(0, &|task| task.terms.id = ActId::new(long(129))),
        changed(0, &|task| task.terms.proposer.name = long(81)),
        changed(0, &|task| {
            task.terms.proposer.id = OperatorId::new(long(129))
        }),
        changed(0, &|task| task.terms.signatures = 3),
        changed(0, &|task| task.terms.signatures = 1),
        changed(0, &|task| {
            task.terms.signatures = 0;
            task.signed_by.clear();
        }),
        changed(0, &|task| task.signed_by = vec![long(1); 2]),
        changed(0, &|task| task.signed_by = vec![long(81)]),
        with(invite(long(81), vec![Role::Admin])),
        with(invite(long(1), vec![Role::Admin; 5])),
        with(initialise(impossible(0), Vec::new())),
        with(initialise(impossible(6), Vec::new())),
        with(initialise(quorum(), vec![held(long(1)); 256])),
        with(initialise(quorum(), vec![held(long(256))])),
        with(Act::AcceptDevice {
            device: hsm().device,
            hsm: HsmId::new(long(33)),
        }),
        with(token(long(1000), Vec::new())),
        with(token(long(1), vec![long(1); 65])),
        with(token(long(1), vec![long(1000)])),
        with(Act::AllowRawRsa {
            key: KeyName {
                label: long(256),
                fingerprint: Fingerprint([8; 32]),
            },
        }),
    ] {
        refused_without_prompt(&helper, Operation::SignAct { task }, "In this request");
    }
    // The most that is allowed.
    for act in [
        initialise(quorum(), vec![held(long(255)); 255]),
        token(long(1), vec![long(64); 64]),
        invite(long(80), Role::ALL.to_vec()),
    ] {
        request(&helper, act_task(&helper, act)).unwrap();
    }
}
