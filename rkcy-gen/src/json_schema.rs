//! Owns the JSON Schemas of the stable documents: what `show model` and `show plan` print as JSON, for who reads them
//! with other tools. They are made of the types that are printed, with their documentation.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::model::Model;
use crate::plan::VisitsDocument;

/// The JSON Schema (draft 2020-12) of the document that `show model --format json` prints.
pub fn of_model() -> Value {
    schema::<Model>()
}

/// The JSON Schema (draft 2020-12) of the document that `show plan --format json` prints.
pub fn of_plan() -> Value {
    schema::<VisitsDocument>()
}

fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>().into()
}
