//! Owns the OpenAPI document: what a platform takes over HTTP, for whoever writes a client in another language.
//!
//! It follows OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.1>), whose schemas are JSON Schema of draft 2020-12. The
//! paths are those of the runtime's edge; schemas are those of the platform's values as JSON.

mod about;
mod schema;

use serde_json::{Map, Value as Json, json};

use super::{Cx, Operation, Print, operations};
use crate::model::{Answer, Builtin, Concern, Field, Payload, Transaction, ValueType};

/// `openapi/PLATFORM.json`
#[derive(Debug)]
pub(super) struct OpenApiFile {
    header: String,
    document: Json,
}

impl Print for OpenApiFile {
    /// The first line says whose the file is, as that of every generated file does.
    fn print(&self) -> Result<String, askama::Error> {
        let text = serde_json::to_string_pretty(&self.document)
            .map_err(|error| askama::Error::Custom(Box::new(error)))?;
        let header = Json::from(self.header.as_str());
        Ok(text.replacen('{', &format!("{{ \"x-generated\": {header},"), 1))
    }
}

/// One path: its methods, with what is the same for all.
type Item = Map<String, Json>;

impl Cx<'_> {
    pub(super) fn openapi_file(&self) -> OpenApiFile {
        let mut paths = Map::new();
        for transaction in self.model.transactions() {
            let path = format!("/v1/txn/{}", transaction.name);
            paths.insert(
                path,
                json!({ "post": self.transaction_operation(transaction) }),
            );
        }
        for concern in self.model.concerns() {
            self.concern_paths(concern, &mut paths);
        }
        paths.extend(about::paths());
        let platform = self.model.platform();
        let token = json!({ "rkcy.Token": [] });
        let security = match platform.caller {
            Some(_) => json!([token]),
            None => json!([{}, token]),
        };
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": platform.name,
                "version": "1",
                "description": platform.docs,
            },
            "servers": [{ "url": "/" }],
            "security": security,
            "paths": paths,
            "components": {
                "securitySchemes": {
                    "rkcy.Token": {
                        "type": "http",
                        "scheme": "bearer",
                        "bearerFormat": "JWT",
                        "description": "Says who calls, where the edge has keys to verify it with.",
                    },
                },
                "schemas": self.schemas(),
                "responses": responses(),
                "parameters": parameters(),
            },
        });
        OpenApiFile {
            header: self.header.clone(),
            document,
        }
    }

    fn transaction_operation(&self, transaction: &Transaction) -> Json {
        let body = self.object("", transaction.params.iter(), |_| true);
        let refusals = self.all_refusals(transaction);
        let mut operation = operation(&transaction.name, &transaction.docs, &refusals);
        operation.insert("tags".to_owned(), json!([transaction.mode.word()]));
        operation.insert("requestBody".to_owned(), request_body(&body));
        if transaction.deprecated.is_some() {
            operation.insert("deprecated".to_owned(), true.into());
        }
        operation.insert("parameters".to_owned(), for_transactions());
        let result = self.result(transaction.result.as_ref());
        succeeds(&mut operation, "200", Some(&outcome(&result)));
        operation.into()
    }

    fn concern_paths(&self, concern: &Concern, paths: &mut Map<String, Json>) {
        let name = &concern.name;
        let has = |builtin| concern.builtins.has(builtin);
        let instance = schema::reference(&self.component(name));
        let own = |word: &str, summary: String, refusals: &[&str]| {
            let refusals: Vec<String> = refusals.iter().map(|it| (*it).to_owned()).collect();
            let mut operation = operation(&format!("{name}.{word}"), &summary, &refusals);
            operation.insert("tags".to_owned(), json!([name]));
            operation.insert("parameters".to_owned(), for_transactions());
            operation
        };
        if has(Builtin::Create) {
            let mut create = own("create", format!("A new {name}."), &["already_exists"]);
            let given = |field: &Field| !(concern.is_key(field) && field.omissible);
            let body = self.object(&concern.docs, concern.all_fields(), given);
            create.insert("requestBody".to_owned(), request_body(&body));
            succeeds(&mut create, "201", Some(&instance));
            tagged(&mut create, "201");
            paths.insert(format!("/v1/c/{name}"), json!({ "post": create }));
        }
        let mut item = Item::new();
        if has(Builtin::Get) {
            let mut get = own("get", format!("The {name} as it is."), &[]);
            not_found(&mut get);
            succeeds(&mut get, "200", Some(&instance));
            tagged(&mut get, "200");
            conditional(&mut get, &["rkcy.IfNoneMatch", "rkcy.IfMatch"]);
            answer(&mut get, "304", not_modified());
            item.insert("get".to_owned(), get.into());
        }
        if has(Builtin::Update) {
            let summary =
                format!("Other values in some fields of the {name}; what is left out stays.");
            let mut update = own("update", summary, &[]);
            let body = self.object("", concern.changeable(), |_| false);
            update.insert("requestBody".to_owned(), request_body(&body));
            not_found(&mut update);
            succeeds(&mut update, "200", Some(&instance));
            tagged(&mut update, "200");
            conditional(&mut update, &["rkcy.IfMatch"]);
            item.insert("patch".to_owned(), update.into());
        }
        if has(Builtin::Delete) {
            let mut delete = own("delete", format!("No {name} any more."), &["in_use"]);
            not_found(&mut delete);
            succeeds(&mut delete, "204", None);
            conditional(&mut delete, &["rkcy.IfMatch"]);
            item.insert("delete".to_owned(), delete.into());
        }
        if !item.is_empty() {
            item.insert(
                "parameters".to_owned(),
                json!([self.key_parameter(concern)]),
            );
            paths.insert(format!("/v1/c/{name}/{{key}}"), item.into());
        }
        for declared in operations(concern) {
            let item = self.own_operation(concern, &declared);
            paths.insert(
                format!("/v1/c/{name}/{{key}}/{}", declared.name),
                item.into(),
            );
        }
    }

    /// A command or a query of a concern.
    fn own_operation(&self, concern: &Concern, declared: &Operation<'_>) -> Item {
        let refusals: Vec<String> = (declared.refusals.named().iter())
            .map(|refusal| refusal.name.clone())
            .collect();
        let id = format!("{}.{}", concern.name, declared.name);
        let mut operation = operation(&id, declared.docs, &refusals);
        operation.insert("tags".to_owned(), json!([concern.name]));
        let fields: &[Field] = match declared.payload {
            Payload::Empty => &[],
            Payload::Message(id) => &self.model.message(*id).fields,
            Payload::Fields(fields) => fields,
        };
        let mut parameters = for_transactions();
        let result = self.result(declared.result);
        if declared.is_query {
            if let Json::Array(parameters) = &mut parameters {
                parameters.extend(fields.iter().map(|field| self.query_parameter(field)));
            }
            succeeds(&mut operation, "200", Some(&result));
        } else {
            let body = match declared.payload {
                Payload::Message(id) => {
                    schema::reference(&self.component(&self.model.message(*id).name))
                }
                _ => self.object("", fields.iter(), |_| true),
            };
            operation.insert("requestBody".to_owned(), request_body(&body));
            succeeds(&mut operation, "200", Some(&outcome(&result)));
        }
        operation.insert("parameters".to_owned(), parameters);
        if !declared.is_query {
            conditional(&mut operation, &["rkcy.IfMatch"]);
        }
        not_found(&mut operation);
        let method = match declared.is_query {
            true => "get",
            false => "post",
        };
        let mut item = Item::new();
        item.insert(method.to_owned(), operation.into());
        item.insert(
            "parameters".to_owned(),
            json!([self.key_parameter(concern)]),
        );
        item
    }

    fn key_parameter(&self, concern: &Concern) -> Json {
        let (schema, says) = match concern.single_key() {
            Some(key) => (self.field_schema(key), "Its key.".to_owned()),
            None => {
                let parts: Vec<&str> = concern.keys.iter().map(|key| key.name.as_str()).collect();
                let says = format!("Its key: {}, joined by commas.", parts.join(", "));
                (json!({ "type": "string" }), says)
            }
        };
        json!({
            "name": "key",
            "in": "path",
            "required": true,
            "description": says,
            "schema": schema,
        })
    }

    /// An argument of a query. One that is no text, number or truth value is JSON.
    fn query_parameter(&self, field: &Field) -> Json {
        let mut parameter = json!({
            "name": field.json_name(),
            "in": "query",
            "required": !field.omissible,
        });
        if !field.docs.is_empty() {
            parameter["description"] = field.docs.clone().into();
        }
        let is_plain = !field.ty.is_collection()
            && self.model.key_parts(field.ty.value).is_none()
            && !matches!(
                field.ty.value,
                ValueType::Message(_) | ValueType::Concern(_)
            );
        let schema = self.field_schema(field);
        match is_plain {
            true => parameter["schema"] = schema,
            false => parameter["content"] = json!({ "application/json": { "schema": schema } }),
        }
        parameter
    }

    fn result(&self, result: Option<&Answer>) -> Json {
        result.map_or_else(
            || json!({ "type": "null" }),
            |answer| self.type_schema(answer.ty, &answer.constraints),
        )
    }
}

/// An operation without request and success.
fn operation(id: &str, docs: &str, refusals: &[String]) -> Item {
    let mut operation = Item::new();
    operation.insert("operationId".to_owned(), id.into());
    let mut paragraphs = docs.trim().splitn(2, "\n\n");
    let summary = paragraphs.next().unwrap_or_default().replace('\n', " ");
    if !summary.is_empty() {
        operation.insert("summary".to_owned(), summary.into());
    }
    if let Some(rest) = paragraphs.next() {
        operation.insert("description".to_owned(), rest.trim().into());
    }
    let mut answers = Map::new();
    for (status, name) in FAILURES {
        let answer = json!({ "$ref": format!("#/components/responses/{name}") });
        answers.insert((*status).to_owned(), answer);
    }
    if !refusals.is_empty() {
        let says = format!(
            "Refused: `{}`, or by a constraint of the schema.",
            refusals.join("`, `")
        );
        answers.insert("409".to_owned(), problem(&says));
    }
    operation.insert("responses".to_owned(), answers.into());
    operation
}

fn succeeds(operation: &mut Item, status: &str, schema: Option<&Json>) {
    let mut success = json!({
        "description": "Done.",
        "headers": { "rkcy-id": {
            "description": "The id of the transaction.",
            "schema": schema::txn_id(),
        }},
    });
    if let Some(schema) = schema {
        success["content"] = json!({ "application/json": { "schema": schema } });
    }
    answer(operation, status, success);
}

/// Says which value of the instance was answered with.
fn tagged(operation: &mut Item, status: &str) {
    if let Some(answer) = (operation.get_mut("responses")).and_then(|all| all.get_mut(status)) {
        answer["headers"]["etag"] = etag();
    }
}

fn etag() -> Json {
    json!({
        "description": "Names the value that the instance has: for `If-Match` and `If-None-Match`.",
        "schema": { "type": "string" },
    })
}

/// What the operation may depend on.
fn conditional(operation: &mut Item, parameters: &[&str]) {
    if let Some(Json::Array(all)) = operation.get_mut("parameters") {
        let named = parameters.iter();
        all.extend(named.map(|it| json!({ "$ref": format!("#/components/parameters/{it}") })));
    }
    let says = "The instance is not as `If-Match` expects it. Nothing happened.";
    answer(operation, "412", problem(says));
}

fn not_modified() -> Json {
    json!({
        "description": "The instance is as `If-None-Match` says: the caller has it.",
        "headers": { "etag": etag() },
    })
}

fn not_found(operation: &mut Item) {
    answer(operation, "404", problem("There is no such instance."));
}

fn answer(operation: &mut Item, status: &str, answer: Json) {
    if let Some(Json::Object(answers)) = operation.get_mut("responses") {
        answers.insert(status.to_owned(), answer);
    }
}

fn request_body(schema: &Json) -> Json {
    let required = schema.get("required").is_some();
    json!({ "required": required, "content": { "application/json": { "schema": schema } } })
}

/// What is told of a transaction that was committed.
fn outcome(result: &Json) -> Json {
    json!({
        "type": "object",
        "required": ["id", "outcome", "result"],
        "properties": {
            "id": schema::txn_id(),
            "outcome": { "const": "committed" },
            "result": result,
            "result_forgotten": {
                "type": "boolean",
                "description": "It was asked for again, and its result was too long to be remembered: read it.",
            },
        },
    })
}

/// What may go wrong with any operation.
const FAILURES: &[(&str, &str)] = &[
    ("400", "rkcy.Malformed"),
    ("401", "rkcy.Unknown"),
    ("403", "rkcy.Forbidden"),
    ("408", "rkcy.SlowBody"),
    ("409", "rkcy.Refused"),
    ("413", "rkcy.TooLarge"),
    ("415", "rkcy.NotJson"),
    ("422", "rkcy.Invalid"),
    ("429", "rkcy.NotTaken"),
    ("500", "rkcy.Corrupt"),
    ("503", "rkcy.Unavailable"),
    ("504", "rkcy.Late"),
];

fn responses() -> Json {
    let told = [
        (
            "Malformed",
            "The request is no JSON object, or a header is wrong.",
        ),
        (
            "Unknown",
            "There is no token, or none that is good now and here.",
        ),
        (
            "Forbidden",
            "It is for operators; or a page of another origin has sent it.",
        ),
        ("SlowBody", "The body did not come in time."),
        (
            "Refused",
            "Refused, by the business logic or by a constraint. Nothing happened.",
        ),
        ("TooLarge", "The body is too large."),
        ("NotJson", "The body is not declared as JSON."),
        (
            "Invalid",
            "The request does not fit the schema. Nothing happened.",
        ),
        ("NotTaken", "A bound was reached: ask again a little later."),
        ("Corrupt", "What is stored is not what it should be."),
        (
            "Unavailable",
            "Something that the platform needs is away. The outcome is unknown: ask by id.",
        ),
        ("Late", "It has not ended yet: ask by id."),
    ];
    let told = told.map(|(name, says)| (format!("rkcy.{name}"), problem(says)));
    Json::Object(told.into_iter().collect())
}

fn problem(says: &str) -> Json {
    let schema = schema::reference(schema::PROBLEM);
    json!({
        "description": says,
        "content": { "application/problem+json": { "schema": schema } },
    })
}

fn parameters() -> Json {
    json!({
        "rkcy.Id": {
            "name": "Rkcy-Id",
            "in": "header",
            "description": "The id of the transaction, a UUID of version 7 with the time of now in it. Asked for twice with one id, it runs once.",
            "schema": schema::txn_id(),
        },
        "rkcy.Key": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Who repeats the same request with it, under whatever id, hears what came of the first.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 256 },
        },
        "rkcy.Caller": {
            "name": "Rkcy-Caller",
            "in": "header",
            "description": "Whose idempotency key it is: others may use it for something else.",
            "schema": { "type": "string", "maxLength": 256 },
        },
        "rkcy.IfMatch": {
            "name": "If-Match",
            "in": "header",
            "description": "Entity tags as they were answered, or `*`: only where the instance has one of them. It is compared under the lock under which it is changed.",
            "schema": { "type": "string" },
        },
        "rkcy.IfNoneMatch": {
            "name": "If-None-Match",
            "in": "header",
            "description": "Entity tags that the caller has: the instance is not sent again.",
            "schema": { "type": "string" },
        },
        "rkcy.Deadline": {
            "name": "Rkcy-Deadline",
            "in": "header",
            "description": "So many milliseconds it may wait for others; then it is refused.",
            "schema": { "type": "integer", "minimum": 1, "maximum": u32::MAX },
        },
    })
}

fn for_transactions() -> Json {
    json!([
        { "$ref": "#/components/parameters/rkcy.Id" },
        { "$ref": "#/components/parameters/rkcy.Deadline" },
        { "$ref": "#/components/parameters/rkcy.Key" },
        { "$ref": "#/components/parameters/rkcy.Caller" },
    ])
}
