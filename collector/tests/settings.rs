//! The generated documentation of the settings, and the commands `validate`, `config` and `serve`
//! as real processes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of tests fails as the tests do")]

use hopscope::config::{Config, schema, shown};
use hopscope_core::settings::{Kind, Sections, Setting};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BEGIN: &str = "<!-- settings: begin; a test keeps this equal to the code -->\n";
const END: &str = "<!-- settings: end -->\n";

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// Compares a committed file with the generated text, and rewrites the file if they differ.
#[track_caller]
fn check(name: &str, expected: &str) {
    let path = docs(name);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed != expected {
        fs::write(&path, expected).unwrap();
        panic!("docs/{name} was stale and is rewritten now: check the difference and commit it");
    }
}

#[test]
fn the_example_file_equals_the_declarations() {
    let head = "# Every setting of the collector with its default; each of them can be omitted.\n\
                # yaml-language-server: $schema=hopscope.schema.json\n\n";
    check("hopscope.yaml", &format!("{head}{}", shown::annotated::<Config>()));
}

#[test]
fn the_schema_equals_the_declarations() {
    let schema = serde_json::to_string_pretty(&schema::schema::<Config>()).unwrap();
    check("hopscope.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_reference_equals_the_declarations() {
    let text = fs::read_to_string(docs("collector.md")).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    check("collector.md", &format!("{before}{BEGIN}{}{END}{after}", table()));
}

fn table() -> String {
    let config = Config::default();
    let mut text = String::new();
    for section in config.sections() {
        text += &format!("\n### `{}`\n\n{}\n\n", section.name(), section.doc());
        text += "| key | default | range | unit | option, variable | changes | meaning |\n";
        text += "| --- | --- | --- | --- | --- | --- | --- |\n";
        for setting in section.settings() {
            text += &row(setting, &shown::json(&shown::masked(setting, &config.value(setting))));
        }
    }
    text + "\n"
}

fn row(setting: &Setting, default: &Value) -> String {
    let (min, max) = setting.range;
    let range = match setting.kind {
        Kind::Integer => format!("{min}–{max}"),
        Kind::Address => "IP:PORT".to_owned(),
        _ => setting.expected(),
    };
    let option = if setting.is_secret() { String::new() } else { format!("`--{}`<br>", setting.option()) };
    let changes = if setting.live { "reload" } else { "restart" };
    let unit = if setting.unit.is_empty() { "–" } else { setting.unit };
    let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
    format!(
        "| `{}` | `{default}` | {range} | {unit} | {option}`{}` | {changes} | {} |\n",
        setting.key,
        setting.variable(),
        setting.description().replace('|', "\\|"),
    )
}

fn hopscope(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopscope"));
    command.env_clear().envs(variables.iter().copied()).args(arguments).output().unwrap()
}

fn outcome(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn validate_reports_all_problems() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hopscope.yaml");
    let name = file.to_str().unwrap();
    fs::write(&file, "aggregate:\n  series_max: 5\n").unwrap();
    assert_eq!(
        outcome(&hopscope(&["validate", name], &[])),
        (Some(0), format!("{name}: valid\n"), String::new())
    );
    fs::write(&file, "agregate: {}\ngrpc:\n  batch_rows_max: 0\n").unwrap();
    let expected = format!(
        "{name}:1:1: agregate is an unknown section; did you mean aggregate?\n\
         {name}:3:19: grpc.batch_rows_max must be a whole number from 1 to 1048576, not 0\n"
    );
    assert_eq!(outcome(&hopscope(&["validate", name], &[])), (Some(1), expected, String::new()));
    let (code, document, _) = outcome(&hopscope(&["validate", "--json", name], &[]));
    let document: Value = serde_json::from_str(&document).unwrap();
    let expected = serde_json::json!({"file": name, "valid": false, "problems": [
        {"file": name, "line": 1, "column": 1, "key": "agregate", "message": "is an unknown section", "suggestion": "aggregate"},
        {"file": name, "line": 3, "column": 19, "key": "grpc.batch_rows_max",
         "message": "must be a whole number from 1 to 1048576, not 0", "suggestion": null},
    ]});
    assert_eq!((code, document), (Some(1), expected));
    let (code, _, error) = outcome(&hopscope(&["validate", "/nowhere.yaml"], &[]));
    assert_eq!(code, Some(2));
    assert!(error.contains("failed to validate: cannot read /nowhere.yaml: No such file"), "{error}");
}

#[test]
fn config_shows_the_settings_of_serve() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hopscope.yaml");
    let name = file.to_str().unwrap();
    fs::write(&file, "aggregate:\n  series_max: 5\n  idle_s_max: 60\n").unwrap();
    let variables = [("HOPSCOPE_CONFIG", name), ("HOPSCOPE_SERIES_MAX", "6"), ("HOPSCOPE_EPOCHS_MAX", "7")];
    let (code, shown, error) = outcome(&hopscope(&["config", "--origins", "--epochs-max", "8"], &variables));
    assert_eq!((code, error), (Some(0), String::new()));
    for line in [
        "  grpc_address: \"127.0.0.1:50051\" # default".to_owned(),
        "  series_max: 6 # HOPSCOPE_SERIES_MAX".to_owned(),
        format!("  idle_s_max: 60 # {name}:3:15"),
        "  epochs_max: 8 # --epochs-max".to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
    }
    assert_eq!(hopscope(&["config"], &[("HOPSCOPE_CONFIG", "")]), hopscope(&["config"], &[]));
}

#[test]
fn invalid_settings_stop_serve_before_it_listens() {
    let (code, _, error) = outcome(&hopscope(&["serve", "--series-max", "0"], &[]));
    assert_eq!(code, Some(2));
    assert!(error.contains("'--series-max <N>': must be a whole number from 1 to 10000000"), "{error}");
    let variables = [
        ("HOPSCOPE_SERIES_MAX", "x"),
        ("HOPSCOPE_GRPC_ADDRESS", "[::1]:9"),
        ("HOPSCOPE_HTTP_ADDRESS", "[::1]:9"),
    ];
    let expected = "hopscope: failed to configure: 1 problem\n  HOPSCOPE_SERIES_MAX: aggregate.series_max must be a \
                    whole number from 1 to 10000000, not \"x\"\n";
    assert_eq!(outcome(&hopscope(&["serve"], &variables)), (Some(2), String::new(), expected.to_owned()));
    let expected = "hopscope: failed to configure: 1 problem\n  HOPSCOPE_HTTP_ADDRESS: listen.http_address \
                    conflicts with another setting: [::1]:9 is also listen.grpc_address; each server needs a port of \
                    its own\n";
    assert_eq!(
        outcome(&hopscope(&["serve"], &variables[1..])),
        (Some(2), String::new(), expected.to_owned())
    );
}
