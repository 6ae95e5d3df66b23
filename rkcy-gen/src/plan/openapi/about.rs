//! Owns the paths that every platform has: where a transaction is, and what operators want of one.

use serde_json::{Map, Value as Json, json};

use super::{Item, answer, operation, problem, schema};

/// What is told of a transaction of which something was wanted.
fn ended_as(says: &str, outcome: &str) -> Json {
    json!({
        "description": says,
        "content": { "application/json": { "schema": {
            "type": "object",
            "required": ["id", "outcome"],
            "properties": { "id": schema::txn_id(), "outcome": { "const": outcome } },
        }}},
    })
}

/// Lists those of which `facts` are told.
fn list(facts: &Json) -> Item {
    let says = "Transactions that run, or are parked, with where they are.";
    let mut list = operation("rkcy.list", says, &[]);
    let parameters = json!([
        {
            "name": "state",
            "in": "query",
            "description": "Which ones.",
            "schema": { "type": "string", "enum": ["running", "parked"], "default": "running" },
        },
        {
            "name": "limit",
            "in": "query",
            "description": "The most of each partition.",
            "schema": { "type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 1_000 },
        },
    ]);
    list.insert("parameters".to_owned(), parameters);
    let success = json!({
        "description": "In the order of their ids.",
        "content": { "application/json": { "schema": { "type": "array", "items": facts } } },
    });
    answer(&mut list, "200", success);
    list
}

/// The paths that every platform has.
pub(super) fn paths() -> Map<String, Json> {
    let id = json!([{
        "name": "id",
        "in": "path",
        "required": true,
        "description": "The id of a transaction.",
        "schema": schema::txn_id(),
    }]);
    let mut where_is = operation(
        "rkcy.where",
        "Where a transaction is, and what it waits for.",
        &[],
    );
    let facts = json!({
        "type": "object",
        "required": ["id", "facts"],
        "properties": {
            "id": schema::txn_id(),
            "facts": {
                "type": "array",
                "description": "What each partition knows of it.",
                "items": { "type": "object" },
            },
        },
    });
    let success = json!({
        "description": "What is known of it.",
        "content": { "application/json": { "schema": facts } },
    });
    answer(&mut where_is, "200", success);
    answer(&mut where_is, "404", problem("No partition knows it."));
    let mut cancel = operation(
        "rkcy.cancel",
        "Ends a transaction that has not come too far.",
        &[],
    );
    answer(
        &mut cancel,
        "200",
        ended_as("It is cancelled.", "cancelled"),
    );
    answer(&mut cancel, "404", problem("No partition knows it."));
    let mut resume = operation(
        "rkcy.resume",
        "Lets a parked saga go on, once.",
        &["not_parked".to_owned()],
    );
    answer(&mut resume, "200", ended_as("It goes on.", "resumed"));
    let mut paths = Map::new();
    paths.insert("/v1/id".to_owned(), json!({ "get": list(&facts) }));
    paths.insert(
        "/v1/id/{id}/resume".to_owned(),
        json!({ "parameters": id, "post": resume }),
    );
    paths.insert(
        "/v1/id/{id}".to_owned(),
        json!({ "parameters": id, "get": where_is }),
    );
    paths.insert(
        "/v1/id/{id}/cancel".to_owned(),
        json!({ "parameters": id, "post": cancel }),
    );
    paths
}
