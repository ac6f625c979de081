//! JSON Schema of the configuration file.
//!
//! Out: a schema of draft 2020-12 (<https://json-schema.org/draft/2020-12>).
//! Invariant: a file that the schema refuses is refused by the collector as well.
//!
//! The schema is written here and not derived from the structs: a derived schema would need a
//! second declaration of ranges and defaults.

use super::shown::json as json_of;
use hopscope_core::settings::{Kind, Section, Sections, Setting, Value};
use serde_json::{Map, Value as Json, json};

/// The schema of the file.
#[must_use]
pub fn schema<C: Sections>() -> Json {
    let config = C::default();
    let sections = config.sections();
    let properties: Map<String, Json> =
        sections.iter().map(|section| (section.name().to_owned(), section_schema(*section))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the Hopscope collector",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
    })
}

fn section_schema(section: &dyn Section) -> Json {
    let entry = |setting: &Setting| (setting.key.to_owned(), setting_schema(section, setting));
    let properties: Map<String, Json> = section.settings().iter().map(entry).collect();
    json!({
        "description": section.doc(),
        // A section whose keys are all commented out is `null`.
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
    })
}

fn setting_schema(section: &dyn Section, setting: &Setting) -> Json {
    let (min, max) = setting.range;
    let mut schema = match setting.kind {
        Kind::Integer => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Text | Kind::Secret => json!({"type": "string"}),
        Kind::Path => json!({"type": "string", "minLength": 1}),
        Kind::Address => json!({"type": "string", "pattern": "^.+:[0-9]{1,5}$"}),
        Kind::Choice(words) => json!({"type": "string", "enum": words}),
    };
    let Some(object) = schema.as_object_mut() else { return schema };
    let unit = if setting.unit.is_empty() { String::new() } else { format!(" Unit: {}.", setting.unit) };
    object.insert("description".to_owned(), json!(format!("{}{unit}", setting.description())));
    let default = json_of(&section.get(setting.key).unwrap_or(Value::Absent));
    if setting.is_secret() {
        object.insert("writeOnly".to_owned(), json!(true));
    }
    if setting.optional {
        let kind = object.get("type").cloned().unwrap_or_default();
        object.insert("type".to_owned(), json!([kind, "null"]));
        if let Some(Json::Array(words)) = object.get_mut("enum") {
            words.push(Json::Null);
        }
    }
    object.insert("default".to_owned(), default);
    schema
}
