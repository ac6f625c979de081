//! Layers, problems and what is shown, on a configuration that has every kind of setting; then the real one.

#![expect(unreachable_pub, reason = "a section is public where it is meant for use")]

use super::shown::{self, Beside, annotated};
use super::value::{Secret, choice};
use super::{Config, Layers, Loaded, Place, Sections, section};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    Disk,
    Memory,
}

choice!(Durability { Disk: "disk", Memory: "memory" });

section::section! {
    /// Where things are kept.
    "store": Store {
        /// Largest file.
        file_bytes_max: u64 = 4096, { option: "file-bytes-max", unit: "bytes", range: (1024, 65_536), live: true };
        /// What survives.
        durability: Durability = Durability::Disk;
        /// Where it is.
        path: Option<PathBuf> = None;
        /// Whether to look twice.
        careful: bool = true, { live: true };
    }
}

section::section! {
    /// The way in.
    "door": GrpcService {
        /// Where it listens.
        address: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 80));
        /// What it is called.
        title: String = "door".to_owned();
        /// What opens it.
        key: Option<Secret> = None, { live: true };
        /// A secret by its name alone.
        admin_password: String = "changeme".to_owned();
    }
}

section::sections! {
    /// Every kind of setting.
    Probe {
        /// Where things are kept.
        store: Store,
        /// The way in.
        door: GrpcService,
    }
    conflicts: |probe: &Probe| match probe.store.durability {
        Durability::Disk if probe.store.path.is_none() && !probe.store.careful => {
            vec![("store.durability", "disk needs store.path".to_owned())]
        }
        _ => Vec::new(),
    }
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn load(file: &str, environment: Pairs<'_>, options: Pairs<'_>) -> Result<Loaded<Probe>, String> {
    let owned = |pairs: Pairs<'_>| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let file = Some(("p.yaml".to_owned(), file.to_owned()));
    let layers = Layers { file, environment: owned(environment), options: owned(options) };
    layers.load().map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// A file, and what is wrong with it.
#[track_caller]
fn check(file: &str, expected: &str) {
    let told = load(file, &[], &[]).map_or_else(|told| told, |_| "valid".to_owned());
    assert_eq!(told, expected, "{file}");
}

#[test]
fn a_file_that_says_little_is_valid() {
    for file in
        ["", "# nothing\n", "---\n", "store:\n", "store:\n  path: ~\n", "{store: {path: /x}, door: {}}"]
    {
        check(file, "valid");
    }
}

#[test]
fn an_unknown_key_is_refused_with_what_was_meant() {
    check("stor:\n  path: /x\n", "p.yaml:1:1: stor is no section; did you mean store?");
    check("\nstore:\n  pth: /x\n", "p.yaml:3:3: store.pth is no setting; did you mean path?");
    check(
        "store:\n  file-bytes-max: 1\n",
        "p.yaml:2:3: store.file-bytes-max is no setting; did you mean file_bytes_max?",
    );
    check("store:\n  address: x\n", "p.yaml:2:3: store.address is no setting; did you mean door.address?");
    check("durability: disk\n", "p.yaml:1:1: durability is no section; did you mean store.durability?");
    check("store: {file: 1}\n", "p.yaml:1:9: store.file is no setting; did you mean file_bytes_max?");
    check("store: {zzzzzz: 1}\n", "p.yaml:1:9: store.zzzzzz is no setting");
}

#[test]
fn a_wrong_type_or_range_is_refused() {
    let number = "store.file_bytes_max must be a whole number from 1024 to 65536";
    check("store:\n  file_bytes_max: 1\n", &format!("p.yaml:2:19: {number}, not 1"));
    check("store: {file_bytes_max: 65537}", &format!("p.yaml:1:25: {number}, not 65537"));
    check("store:\n  file_bytes_max: -5\n", &format!("p.yaml:2:19: {number}, not -5"));
    check("store:\n  file_bytes_max: 2048.5\n", &format!("p.yaml:2:19: {number}, not 2048.5"));
    check("store:\n  file_bytes_max: 4MiB\n", &format!("p.yaml:2:19: {number}, not the text \"4MiB\""));
    check(
        "store:\n  file_bytes_max: \"2048\"\n",
        &format!("p.yaml:2:19: {number}, not the text \"2048\" (a number stands without quotes)"),
    );
    check("store:\n  file_bytes_max:\n", &format!("p.yaml:2:17: {number}, not nothing"));
    check("store:\n  file_bytes_max: [1]\n", &format!("p.yaml:2:19: {number}, not a list"));
    check("store:\n  file_bytes_max: {a: 1}\n", &format!("p.yaml:2:19: {number}, not a mapping"));
    check(
        "store:\n  file_bytes_max: 99999999999999999999999\n",
        &format!("p.yaml:2:19: {number}, not 100000000000000000000000"),
    );
    check(
        "store:\n  careful: yes\n",
        "p.yaml:2:12: store.careful must be true or false, not the text \"yes\"",
    );
    check(
        "store:\n  durability: Disk\n",
        "p.yaml:2:15: store.durability must be one of disk, memory, not the text \"Disk\"",
    );
    check("store:\n  path: ''\n", "p.yaml:2:9: store.path must be the path of a file, not the text \"\"");
    check(
        "door:\n  address: localhost:1\n",
        "p.yaml:2:12: door.address must be IP:PORT, such as \"127.0.0.1:9464\", not the text \"localhost:1\"",
    );
    check(
        "door:\n  title: 12\n",
        "p.yaml:2:10: door.title must be a text, not 12 (a text that looks like something else stands in quotes)",
    );
    check("store: 7\n", "p.yaml:1:8: store must be a mapping, not 7");
    check("- store\n", "p.yaml:1:1: the file must be a mapping, not a list");
    check("store\n", "p.yaml:1:1: the file must be a mapping, not the text \"store\"");
}

#[test]
fn a_secret_is_not_repeated() {
    check(
        "door:\n  key: 123456\n",
        "p.yaml:2:8: door.key must be a text, not what is there (a text that looks like something else stands in \
         quotes)",
    );
    check(
        "door:\n  admin_password: [hush]\n",
        "p.yaml:2:19: door.admin_password must be a text, not what is there",
    );
    let loaded = load("door: {key: hush, admin_password: hush}", &[], &[]).unwrap();
    for beside in [Beside::Nothing, Beside::Origins, Beside::Documentation] {
        let shown = shown::yaml(&loaded, beside);
        assert!(!shown.contains("hush") && shown.contains("key: \"********\""), "{shown}");
        assert!(shown.contains("admin_password: \"********\""), "{shown}");
    }
    assert!(!format!("{:?}", loaded.config.door.key).contains("hush"));
}

#[test]
fn what_is_no_yaml_is_refused_with_its_place() {
    check("store: {path: /x\n", "p.yaml:1:8: the text is no YAML: unclosed bracket '{'");
    check("store:\n---\ndoor:\n", "p.yaml:3:1: the text is no YAML: there is a second document");
    check("store: *nowhere\n", "p.yaml:1:8: the text is no YAML: alias references unknown anchor");
    check(
        "store:\n\tpath: x\n",
        "p.yaml:2:2: the text is no YAML: tabs disallowed within this context (block indentation)",
    );
    check(
        "store: \"\\xZZ\"\n",
        "p.yaml:1:8: the text is no YAML: while parsing a quoted scalar, did not find expected hexadecimal number",
    );
    let deep = format!("store: {}1{}", "[".repeat(40), "]".repeat(40));
    check(&deep, "p.yaml:1:23: the text is no YAML: budget breached: Depth { depth: 17 }");
}

#[test]
fn all_problems_are_told_not_only_the_first() {
    check(
        "store:\n  pth: 1\n  careful: 1\n  careful: true\ndoor:\n  address: 1\nstore: {}\n",
        "p.yaml:2:3: store.pth is no setting; did you mean path?\n\
         p.yaml:3:12: store.careful must be true or false, not 1\n\
         p.yaml:4:3: store.careful stands on line 3 already\n\
         p.yaml:6:12: door.address must be IP:PORT, such as \"127.0.0.1:9464\", not 1\n\
         p.yaml:7:1: store stands on line 1 already",
    );
}

#[test]
fn settings_that_do_not_fit_each_other_are_told_where_one_stands() {
    check("store:\n  careful: false\n", "default: store.durability does not fit: disk needs store.path");
    check(
        "store:\n  careful: false\n  durability: disk\n",
        "p.yaml:3:15: store.durability does not fit: disk needs store.path",
    );
    check("store: {careful: false, durability: memory}", "valid");
}

#[test]
fn aliases_and_merge_keys_work() {
    check("store: &a {path: /x}\ndoor: {title: &t hello, address: \"127.0.0.1:1\"}", "valid");
    check("store: {path: &p /x}\ndoor: {title: *p}", "valid");
    check("base: &b {path: /x}\nstore: {<<: *b, careful: true}", "p.yaml:1:1: base is no section");
    check(
        "store: &s {path: /x, careful: 1}\ndoor: {<<: *s}",
        "p.yaml:1:31: store.careful must be true or false, not 1\n\
         p.yaml:2:12: door.path is no setting; did you mean store.path?\n\
         p.yaml:2:12: door.careful is no setting; did you mean store.careful?",
    );
}

/// Layers, and the settings with their origins.
#[track_caller]
fn check_layers(file: &str, environment: Pairs<'_>, options: Pairs<'_>, expected: &str) {
    let told = load(file, environment, options);
    let told = told.map_or_else(|told| told, |loaded| shown::yaml(&loaded, Beside::Origins));
    assert_eq!(told, expected);
}

#[test]
fn the_command_line_overrules_the_environment_that_the_file_that_the_defaults() {
    check_layers(
        "store:\n  file_bytes_max: 2000\n  path: /file\n  careful: false\n",
        &[
            ("HOPSCOPE_FILE_BYTES_MAX", "3000"),
            ("HOPSCOPE_STORE_PATH", "/variable"),
            ("HOPSCOPE_DOOR_TITLE", ""),
            ("HOPSCOPE_DOOR_KEY", "hush"),
            ("HOME", "/root"),
        ],
        &[("file-bytes-max", "4000")],
        "\
store:
  file_bytes_max: 4000 # --file-bytes-max
  durability: \"disk\" # default
  path: \"/variable\" # HOPSCOPE_STORE_PATH
  careful: false # p.yaml:4:12
door:
  address: \"127.0.0.1:80\" # default
  title: \"door\" # default
  key: \"********\" # HOPSCOPE_DOOR_KEY
  admin_password: \"********\" # default
",
    );
}

#[test]
fn bad_variables_and_options_are_named() {
    check_layers(
        "",
        &[("HOPSCOPE_FILE_BYTES_MAX", "many"), ("HOPSCOPE_STORE_CAREFUL", "1")],
        &[("store-durability", "paper")],
        "HOPSCOPE_FILE_BYTES_MAX: store.file_bytes_max must be a whole number from 1024 to 65536, not \"many\"\n\
         HOPSCOPE_STORE_CAREFUL: store.careful must be true or false, not \"1\"\n\
         --store-durability: store.durability must be one of disk, memory, not \"paper\"",
    );
}

#[test]
fn a_variable_that_is_nearly_a_setting_is_told_and_those_of_kubernetes_are_not() {
    let variables = [
        ("HOPSCOPE_FILE_BYTE_MAX", "1"),
        ("HOPSCOPE_PORT", "tcp://10.0.0.1:50051"),
        ("HOPSCOPE_SERVICE_HOST", "10.0.0.1"),
        ("HOPSCOPE_PORT_50051_TCP_ADDR", "10.0.0.1"),
    ];
    let told: Vec<String> =
        load("", &variables, &[]).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["HOPSCOPE_FILE_BYTE_MAX: is no setting and has no effect; did you mean HOPSCOPE_FILE_BYTES_MAX?"]
    );
}

#[test]
fn what_is_shown_reads_as_the_same_again() {
    let loaded = load(
        "door: {title: \"a: \\\"b\\\" # c\\n\\u2028\", key: null, admin_password: '********'}",
        &[],
        &[],
    );
    let loaded = loaded.unwrap();
    for beside in [Beside::Nothing, Beside::Origins, Beside::Documentation] {
        let shown = shown::yaml(&loaded, beside);
        assert_eq!(load(&shown, &[], &[]).map(|again| again.config), Ok(loaded.config.clone()), "{shown}");
    }
}

#[test]
fn what_takes_a_restart_keeps_its_value() {
    let in_force = Probe::default();
    let file = "store: {file_bytes_max: 2048, durability: memory, careful: false}\ndoor: {key: x, title: t}";
    let mut wanted = load(file, &[], &[]).unwrap().config;
    let kept = wanted.keep_what_takes_a_restart(&in_force);
    let kept: Vec<String> = kept.into_iter().map(super::Setting::path).collect();
    assert_eq!(kept, ["store.durability", "door.title"]);
    let expected = "store: {file_bytes_max: 2048, careful: false, path: /x}\ndoor: {key: x}";
    let expected = load(expected, &[], &[]).unwrap().config;
    assert_eq!(wanted, Probe { store: Store { path: None, ..expected.store }, ..expected });
}

proptest! {
    /// Whatever stands in a file, it is settings or problems with a place, and a second look says the same.
    #[test]
    fn any_text_is_settings_or_problems(text in "[a-z0-9_:{}\\[\\],&*<~'\"# \n\t.-]{0,80}|.{0,40}") {
        let layers = Layers { file: Some(("p.yaml".to_owned(), text.clone())), ..Layers::default() };
        let loaded = layers.load::<Probe>();
        prop_assert_eq!(&loaded, &layers.load::<Probe>());
        for problem in loaded.err().unwrap_or_default() {
            // YAML ends a line at a lone carriage return, too.
            let lines = text.split(['\n', '\r']).count() as u64 + 1;
            let Place::File { line, column, .. } = problem.place else { continue };
            prop_assert!((1..=lines).contains(&line) && column >= 1, "{line}:{column}");
        }
    }

    /// A number is taken when it lies in the range, and only then.
    #[test]
    fn a_range_holds(number in prop_oneof![1000_u64..1050, 65_500_u64..65_600, any::<u64>()]) {
        let loaded = load(&format!("store: {{file_bytes_max: {number}}}"), &[], &[]);
        prop_assert_eq!(loaded.is_ok(), (1024..=65_536).contains(&number));
    }
}

#[test]
fn the_defaults_are_the_defaults_of_the_rooms() {
    let config = Config::default();
    assert_eq!(config.limits(), hopscope_core::engine::Limits::default());
    assert_eq!(config.door().batch, hopscope_core::intake::validate::Limits::default());
}

/// What the declarations must keep, whoever adds one.
#[test]
fn every_declaration_is_whole() {
    let settings = Config::settings();
    for setting in &settings {
        let default = Config::default().value(setting);
        let path = setting.path();
        assert!(setting.accepts(&default), "{path}: the default is refused");
        assert!(setting.sentence().ends_with('.'), "{path}: {:?} is no sentence", setting.doc);
        let alone = settings.iter().filter(|it| it.option() == setting.option() || it.path() == path).count();
        assert_eq!(alone, 1, "{path}: another one has its option or its path");
        if setting.kind == super::Kind::Whole {
            let (min, max) = setting.range;
            assert!(min < max && max < u64::MAX, "{path}: no range");
            assert!(!setting.unit.is_empty(), "{path}: no unit");
        }
        // A service named hopscope or hopscope-… gives every pod variables such as these.
        let variable = setting.variable();
        let of_kubernetes = ["_PORT", "_SERVICE_HOST"].iter().any(|end| variable.ends_with(end))
            || ["_PORT_", "_SERVICE_PORT_"].iter().any(|part| variable.contains(part));
        assert!(!of_kubernetes, "{path}: Kubernetes may set {variable}");
        let text = match default.json() {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        assert_eq!(setting.of_text(&text), Ok(default), "{path}: the default cannot be given as text");
    }
}

#[test]
fn the_annotated_defaults_are_the_defaults() {
    let layers = Layers { file: Some(("d.yaml".to_owned(), annotated::<Config>())), ..Layers::default() };
    let loaded = layers.load::<Config>().unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.origins.len(), Config::settings().len());
}
