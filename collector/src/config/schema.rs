//! The file's JSON Schema.
//!
//! In: the declarations. Out: a schema of draft 2020-12. Always holds: what the schema refuses is refused here, too.
//!
//! Source: <https://json-schema.org/draft/2020-12>. Own code, since the declarations drive options, variables and
//! documentation as well, and a schema derived from the structs would know ranges and defaults only a second time.

use super::section::{Section, Sections};
use super::setting::Setting;
use super::value::{Kind, Value};
use serde_json::{Map, Value as Json, json};

/// The schema of the whole file.
#[must_use]
pub fn schema<C: Sections>() -> Json {
    let config = C::default();
    let sections = config.sections();
    let properties: Map<String, Json> =
        sections.iter().map(|section| (section.name().to_owned(), of_section(*section))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the Hopscope collector",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
    })
}

fn of_section(section: &dyn Section) -> Json {
    let of = |setting: &Setting| (setting.key.to_owned(), of_setting(section, setting));
    let properties: Map<String, Json> = section.settings().iter().map(of).collect();
    json!({
        "description": section.doc(),
        // A section whose keys are all commented out is null.
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": properties,
    })
}

fn of_setting(section: &dyn Section, setting: &Setting) -> Json {
    let (min, max) = setting.range;
    let mut schema = match setting.kind {
        Kind::Whole => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Text | Kind::Secret => json!({"type": "string"}),
        Kind::Path => json!({"type": "string", "minLength": 1}),
        Kind::Address => json!({"type": "string", "pattern": "^.+:[0-9]{1,5}$"}),
        Kind::Choice(names) => json!({"type": "string", "enum": names}),
    };
    let Some(object) = schema.as_object_mut() else { return schema };
    let unit = if setting.unit.is_empty() { String::new() } else { format!(" Unit: {}.", setting.unit) };
    object.insert("description".to_owned(), json!(format!("{}{unit}", setting.sentence())));
    let default = section.get(setting.key).unwrap_or(Value::Absent).json();
    if setting.is_secret() {
        object.insert("writeOnly".to_owned(), json!(true));
    }
    if setting.optional {
        let kind = object.get("type").cloned().unwrap_or_default();
        object.insert("type".to_owned(), json!([kind, "null"]));
        if let Some(Json::Array(names)) = object.get_mut("enum") {
            names.push(Json::Null);
        }
    }
    object.insert("default".to_owned(), default);
    schema
}
