//! The OpenAPI document of the API: paths and schemas from the code, callers from the table of access, and examples.

mod examples;
mod operation;

use countersign_protocol::problem::{Problem, ProblemCode};
use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        ComponentsBuilder, InfoBuilder, OpenApiBuilder, Paths, Server,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

pub use self::examples::{example, example_names, problem};
use super::{auth, routes};

const DESCRIPTION: &str = "Requests and responses are JSON. Every error is a problem (RFC 9457), whose `detail` says what to do. \
    A request without a token or client certificate must carry the server's own origin in the header `origin`, unless it is GET or HEAD.";

/// The complete document (OpenAPI 3.1) of a server that browsers reach with or without TLS.
pub fn document(https: bool) -> Value {
    let mut components = ComponentsBuilder::new()
        .schema(
            Problem::name(),
            <Problem as utoipa::PartialSchema>::schema(),
        )
        .security_scheme("token", SecurityScheme::Http(token()))
        .security_scheme("session", SecurityScheme::ApiKey(session(https)))
        .security_scheme("clientCertificate", certificate());
    let mut paths = Paths::new();
    for (schemas, documented, _) in routes::all() {
        components = components.schemas_from_iter(schemas);
        paths.merge(documented);
    }
    let api = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Countersign")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION)),
        )
        .servers(Some([Server::new("/api/v1")]))
        .components(Some(components.build()))
        .paths(paths)
        .build();
    let mut document = json!(api);
    document["components"]["responses"] = problems();
    each_operation(&mut document, operation::complete);
    inline_flattened(&mut document);
    close(&mut document, &["NewPurpose", "Scope"]);
    tidy(&mut document);
    document
}

fn token() -> utoipa::openapi::security::Http {
    HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An API token, with which a program acts as a requester for its owner.",
        ))
        .build()
}

fn session(https: bool) -> ApiKey {
    ApiKey::Cookie(ApiKeyValue::with_description(
        auth::session_cookie(https),
        "The session of a person who is logged in to the portal.",
    ))
}

fn certificate() -> SecurityScheme {
    SecurityScheme::MutualTls {
        deprecated: None,
        description: Some("The client certificate that belongs to an API token.".to_owned()),
        extensions: None,
    }
}

/// The responses to which operations refer: every problem with an example.
fn problems() -> Value {
    let response = |description: &str, codes: &[ProblemCode]| {
        let examples: Map<_, _> = codes
            .iter()
            .map(|code| (code.as_str().to_owned(), json!({ "value": problem(*code) })))
            .collect();
        json!({
            "description": description,
            "headers": operation::request_id(),
            "content": {
                "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                    "examples": examples,
                },
            },
        })
    };
    json!({
        "NotAuthenticated": response(
            "The request has no valid credential",
            &[ProblemCode::NotAuthenticated],
        ),
        "InvalidRequest": response(
            "The request cannot be read, or a value in it is not possible",
            &[ProblemCode::InvalidRequest],
        ),
        "NotFound": response(
            "The object does not exist, or the caller may not see it",
            &[ProblemCode::NotFound],
        ),
        "NotAllowed": response("The caller may not do this", &[ProblemCode::NotAllowed]),
        "Problem": response("The request failed; `type` names the kind", &ProblemCode::ALL),
    })
}

fn each_operation(document: &mut Value, complete: impl Fn(&str, &str, &mut Value)) {
    let paths = document["paths"].as_object_mut();
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete(&method.to_uppercase(), path, operation);
        }
    }
}

/// Replaces the links of doc comments by the names of their targets, and bounds integers.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(bits) = unsigned_bits(members) {
                members.insert("format".to_owned(), json!(format!("uint{bits}")));
                members.insert("maximum".to_owned(), json!(u64::MAX >> (64 - bits)));
            }
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "description" => *text = plain(text),
                    other => tidy(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The size of an unsigned integer's type, from a format such as `u-int32`.
fn unsigned_bits(schema: &Map<String, Value>) -> Option<u32> {
    let bits = schema.get("format")?.as_str()?.strip_prefix("u-int")?;
    bits.parse().ok().filter(|bits| (1..=64).contains(bits))
}

/// Copies the members of closed types into the types, and variants of types, that contain them by `allOf`, because a closed type
/// rejects the members beside its own.
fn inline_flattened(document: &mut Value) {
    let closed = document["components"]["schemas"].clone();
    let schemas = document["components"]["schemas"].as_object_mut();
    let parts = schemas
        .into_iter()
        .flat_map(|schemas| schemas.values_mut())
        .flat_map(|schema| {
            if schema.get("oneOf").is_some() {
                schema["oneOf"]
                    .as_array_mut()
                    .into_iter()
                    .flatten()
                    .collect()
            } else {
                vec![schema]
            }
        })
        .filter_map(|schema| schema.get_mut("allOf")?.as_array_mut())
        .flatten();
    for part in parts {
        let name = part["$ref"]
            .as_str()
            .and_then(|path| path.rsplit('/').next());
        let target = &closed[name.unwrap_or_default()];
        if target["additionalProperties"] == false {
            *part = json!({
                "type": "object",
                "properties": target["properties"],
                "required": target["required"],
            });
        }
    }
}

/// Says that the variants of these types have no other members, which the server rejects.
fn close(document: &mut Value, types: &[&str]) {
    for name in types {
        let variants = document["components"]["schemas"][name]["oneOf"].as_array_mut();
        for variant in variants.into_iter().flatten() {
            variant["additionalProperties"] = json!(false);
        }
    }
}

/// The text with `` `Name` `` in place of each ``[`path::to::Name`]``.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((link, after)) = after.split_once("`]") else {
            break;
        };
        let name = link.rsplit("::").next().unwrap_or(link);
        out.push_str(&format!("{before}`{name}`"));
        rest = after;
    }
    out.push_str(rest);
    out.replace("`None`", "`null`")
}
