//! The OpenAPI document: committed, complete, and with an example for every body and problem.

use std::{collections::BTreeSet, path::Path};

use countersign_protocol::{
    about::About,
    act::{ActOutcome, ActToSign, ActView, NewAct, SignedAct},
    activation::*,
    audit::AuditPage,
    dsse::Envelope,
    event::Event,
    hsm::*,
    operator::*,
    problem::ProblemCode,
    remote::*,
    session::*,
    signature::*,
    token::*,
};
use countersign_server::http::{openapi, routes::access::TABLE};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Checks that a committed file has this content. If an environment variable says so, writes it.
fn is_committed(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(file);
    if std::env::var_os("COUNTERSIGN_UPDATE").is_some() {
        std::fs::write(&path, made).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "docs/{file} is out of date: run this test with COUNTERSIGN_UPDATE=1"
    );
}

#[test]
fn the_committed_document_is_that_of_the_code() {
    is_committed("openapi.json", &format!("{:#}\n", openapi::document(true)));
}

#[test]
fn the_page_about_the_api_lists_every_route() {
    const BEGIN: &str = "<!-- routes -->\n";
    const END: &str = "<!-- /routes -->";
    let document = openapi::document(true);
    let rows: String = TABLE
        .iter()
        .map(|(method, path, access)| {
            let operation = &document["paths"][path][method.to_lowercase()];
            let summary = operation["summary"].as_str().expect("a summary");
            format!(
                "| {method} `{path}` | {} | {summary} |\n",
                access.in_words()
            )
        })
        .collect();
    let table = format!("| route | callers | purpose |\n|---|---|---|\n{rows}");
    let page = include_str!("../../../docs/api.md");
    let (before, rest) = page.split_once(BEGIN).expect("the beginning of the table");
    let (_, after) = rest.split_once(END).expect("the end of the table");
    is_committed("api.md", &format!("{before}{BEGIN}{table}{END}{after}"));
}

#[test]
fn every_route_with_its_callers_is_documented() {
    let document = openapi::document(true);
    let paths = document["paths"].as_object().expect("paths");
    let documented: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let table: BTreeSet<_> = TABLE
        .iter()
        .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    assert_eq!(documented, table);
}

/// Calls `visit` with every object in the document.
fn each_object(value: &Value, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(members) => {
            visit(value);
            members
                .values()
                .for_each(|member| each_object(member, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| each_object(item, visit)),
        _ => {}
    }
}

#[test]
fn every_parameter_of_a_path_is_documented() {
    let document = openapi::document(true);
    for (path, item) in document["paths"].as_object().expect("paths") {
        let named: BTreeSet<_> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        for (method, operation) in item.as_object().expect("methods") {
            let parameters = operation["parameters"].as_array();
            let documented: BTreeSet<_> = parameters
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            assert_eq!(documented, named, "{method} {path}");
        }
    }
}

#[test]
fn a_closed_type_is_never_a_part_of_another_one() {
    let document = openapi::document(true);
    let schemas = &document["components"]["schemas"];
    each_object(schemas, &mut |object| {
        for part in object["allOf"].as_array().into_iter().flatten() {
            let name = part["$ref"]
                .as_str()
                .and_then(|path| path.rsplit('/').next());
            let part = &schemas[name.unwrap_or_default()];
            assert_ne!(part["additionalProperties"], false, "{name:?}");
        }
    });
}

#[test]
fn every_body_has_an_example() {
    let document = openapi::document(true);
    let mut bodies = 0;
    each_object(&document["paths"], &mut |object| {
        let Some(content) = object["content"].as_object() else {
            return;
        };
        for body in content.values() {
            // The document itself would be an example of its own body.
            let is_document = body["schema"]["type"] == "object";
            assert!(is_document || !body["example"].is_null(), "{object:#}");
            bodies += 1;
        }
    });
    assert!(bodies > 40, "{bodies}");
}

#[test]
fn every_problem_has_an_example() {
    for code in ProblemCode::ALL {
        assert_eq!(openapi::problem(code).code(), Some(code));
    }
}

#[test]
fn descriptions_name_only_types_of_the_document() {
    let document = openapi::document(true);
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    let mut wrong = BTreeSet::new();
    each_object(&document, &mut |object| {
        for name in ["description", "summary"] {
            let text = object[name].as_str().unwrap_or_default();
            for quoted in text.split('`').skip(1).step_by(2) {
                let is_type = quoted.starts_with(|c: char| c.is_ascii_uppercase())
                    && quoted.contains(|c: char| c.is_ascii_lowercase())
                    && quoted.chars().all(char::is_alphanumeric);
                let is_code = quoted.contains("::") || quoted.contains('_');
                if is_code || (is_type && !schemas.contains_key(quoted)) {
                    wrong.insert(format!("{quoted}: {text}"));
                }
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn members_have_the_names_that_json_has() {
    each_object(&openapi::document(true), &mut |object| {
        for name in object["properties"]
            .as_object()
            .into_iter()
            .flat_map(|all| all.keys())
        {
            assert!(!name.contains('_'), "{name}");
        }
    });
}

/// Checks that the example of a type is a complete value of this type.
fn check<T: Serialize + DeserializeOwned>(name: &'static str) -> &'static str {
    let example = openapi::example(name).unwrap_or_else(|| panic!("{name} has no example"));
    let value: T = serde_json::from_value(example.clone())
        .unwrap_or_else(|error| panic!("the example of {name}: {error}"));
    let again = serde_json::to_value(&value).expect("JSON");
    assert_eq!(&again, example, "the example of {name}");
    name
}

macro_rules! check_all {
    ($($name:ident),* $(,)?) => { [$(check::<$name>(stringify!($name))),*] };
}

#[test]
fn examples_are_values_of_their_types() {
    let checked = check_all![
        About,
        AcceptDevice,
        ActOutcome,
        ActToSign,
        ActView,
        ActivationView,
        ApprovalOutcome,
        ApprovalTaskView,
        AuditPage,
        Bootstrap,
        ConfirmKey,
        CreatedInvitation,
        CreatedToken,
        Decline,
        Enrolment,
        Envelope,
        Event,
        HsmView,
        InitialiseHsm,
        InvitationView,
        KeySettings,
        LogIn,
        LoginChallenge,
        NewAct,
        NewActivation,
        NewCertificate,
        NewInvitation,
        NewToken,
        OpenInvitation,
        OpenSession,
        OpenedInvitation,
        OperatorView,
        RegisterCustodian,
        SessionView,
        SignRequest,
        SignatureView,
        SignedAct,
        SignedApproval,
        SigningKeyView,
        TokenView,
        WaitingDevice,
    ];
    let checked: BTreeSet<_> = checked.into_iter().map(str::to_owned).collect();
    let unchecked: Vec<_> = openapi::example_names()
        .filter(|name| !checked.contains(*name))
        .collect();
    assert!(unchecked.is_empty(), "{unchecked:?}");
}
