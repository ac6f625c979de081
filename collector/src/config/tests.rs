//! Tests of layers, problems and YAML on a configuration with every kind of setting, then on
//! [`Config`].

#![expect(unreachable_pub, reason = "the macro declares public sections")]

use super::shown::{self, Comments, annotated};
use super::{Config, Layers, Loaded, Origin};
use hopscope_core::settings::{Conflict, Kind, Secret, Sections, Setting};
use hopscope_core::{choice, section, sections};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    Disk,
    Memory,
}

choice!(Durability { Disk: "disk", Memory: "memory" });

section! {
    /// Files.
    "store": Store {
        /// Largest size of a file.
        file_bytes_max: u64 = 4096, { option: "file-bytes-max", unit: "bytes", range: (1024, 65_536), live: true };
        /// Whether a file survives the process.
        durability: Durability = Durability::Disk;
        /// Directory.
        path: Option<PathBuf> = None;
        /// Whether files are checked.
        careful: bool = true, { live: true };
    }
    conflicts: store_conflicts
}

section! {
    /// The server.
    "server": Server {
        /// Address.
        address: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 80));
        /// Title.
        title: String = "server".to_owned();
        /// Key of the API.
        key: Option<Secret> = None, { live: true };
        /// A secret by its name alone.
        admin_password: String = "changeme".to_owned();
    }
}

sections! {
    /// Every kind of setting.
    Probe {
        /// Files.
        store: Store,
        /// The server.
        server: Server,
    }
}

fn store_conflicts(store: &Store) -> Vec<Conflict> {
    match store.durability {
        Durability::Disk if store.path.is_none() && !store.careful => {
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

/// Checks the problems of a file.
#[track_caller]
fn check(file: &str, expected: &str) {
    let found = load(file, &[], &[]).map_or_else(|problems| problems, |_| "valid".to_owned());
    assert_eq!(found, expected, "{file}");
}

#[test]
fn a_file_with_few_settings_is_valid() {
    for file in
        ["", "# nothing\n", "---\n", "store:\n", "store:\n  path: ~\n", "{store: {path: /x}, server: {}}"]
    {
        check(file, "valid");
    }
}

#[test]
fn an_unknown_key_is_refused_with_a_suggestion() {
    check("stor:\n  path: /x\n", "p.yaml:1:1: stor is an unknown section; did you mean store?");
    check("\nstore:\n  pth: /x\n", "p.yaml:3:3: store.pth is an unknown setting; did you mean path?");
    check(
        "store:\n  file-bytes-max: 1\n",
        "p.yaml:2:3: store.file-bytes-max is an unknown setting; did you mean file_bytes_max?",
    );
    check(
        "store:\n  address: x\n",
        "p.yaml:2:3: store.address is an unknown setting; did you mean server.address?",
    );
    check(
        "durability: disk\n",
        "p.yaml:1:1: durability is an unknown section; did you mean store.durability?",
    );
    check("store: {file: 1}\n", "p.yaml:1:9: store.file is an unknown setting; did you mean file_bytes_max?");
    check("store: {zzzzzz: 1}\n", "p.yaml:1:9: store.zzzzzz is an unknown setting");
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
        &format!("p.yaml:2:19: {number}, not the text \"2048\" (write the number without quotes)"),
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
        "server:\n  address: localhost:1\n",
        "p.yaml:2:12: server.address must be IP:PORT, such as \"127.0.0.1:9464\", not the text \"localhost:1\"",
    );
    check(
        "server:\n  title: 12\n",
        "p.yaml:2:10: server.title must be a text, not 12 (write the text in quotes)",
    );
    check("store: 7\n", "p.yaml:1:8: store must be a mapping, not 7");
    check("- store\n", "p.yaml:1:1: the file must be a mapping, not a list");
    check("store\n", "p.yaml:1:1: the file must be a mapping, not the text \"store\"");
}

#[test]
fn a_secret_is_not_repeated() {
    check(
        "server:\n  key: 123456\n",
        "p.yaml:2:8: server.key must be a text, not the given value (write the text in quotes)",
    );
    check(
        "server:\n  admin_password: [hush]\n",
        "p.yaml:2:19: server.admin_password must be a text, not the given value",
    );
    let loaded = load("server: {key: hush, admin_password: hush}", &[], &[]).unwrap();
    for comments in [Comments::None, Comments::Origins, Comments::Documentation] {
        let shown = shown::yaml(&loaded, comments);
        assert!(!shown.contains("hush") && shown.contains("key: \"********\""), "{shown}");
        assert!(shown.contains("admin_password: \"********\""), "{shown}");
    }
    assert!(!format!("{:?}", loaded.config.server.key).contains("hush"));
}

#[test]
fn invalid_yaml_is_refused_with_line_and_column() {
    check("store: {path: /x\n", "p.yaml:1:8: the text is invalid YAML: unclosed bracket '{'");
    check("store:\n---\nserver:\n", "p.yaml:3:1: the text is invalid YAML: there is a second document");
    check("store: *nowhere\n", "p.yaml:1:8: the text is invalid YAML: alias references unknown anchor");
    check(
        "store:\n\tpath: x\n",
        "p.yaml:2:2: the text is invalid YAML: tabs disallowed within this context (block indentation)",
    );
    check(
        "store: \"\\xZZ\"\n",
        "p.yaml:1:8: the text is invalid YAML: while parsing a quoted scalar, did not find expected hexadecimal number",
    );
    let deep = format!("store: {}1{}", "[".repeat(40), "]".repeat(40));
    check(&deep, "p.yaml:1:23: the text is invalid YAML: budget breached: Depth { depth: 17 }");
}

#[test]
fn all_problems_are_reported() {
    check(
        "store:\n  pth: 1\n  careful: 1\n  careful: true\nserver:\n  address: 1\nstore: {}\n",
        "p.yaml:2:3: store.pth is an unknown setting; did you mean path?\n\
         p.yaml:3:12: store.careful must be true or false, not 1\n\
         p.yaml:4:3: store.careful is already set on line 3\n\
         p.yaml:6:12: server.address must be IP:PORT, such as \"127.0.0.1:9464\", not 1\n\
         p.yaml:7:1: store is already set on line 1",
    );
}

#[test]
fn settings_that_conflict_are_reported_at_the_origin_of_one_of_them() {
    check(
        "store:\n  careful: false\n",
        "default: store.durability conflicts with another setting: disk needs store.path",
    );
    check(
        "store:\n  careful: false\n  durability: disk\n",
        "p.yaml:3:15: store.durability conflicts with another setting: disk needs store.path",
    );
    check("store: {careful: false, durability: memory}", "valid");
}

#[test]
fn aliases_and_merge_keys_work() {
    check("store: &a {path: /x}\nserver: {title: &t hello, address: \"127.0.0.1:1\"}", "valid");
    check("store: {path: &p /x}\nserver: {title: *p}", "valid");
    check("base: &b {path: /x}\nstore: {<<: *b, careful: true}", "p.yaml:1:1: base is an unknown section");
    check(
        "store: &s {path: /x, careful: 1}\nserver: {<<: *s}",
        "p.yaml:1:31: store.careful must be true or false, not 1\n\
         p.yaml:2:14: server.path is an unknown setting; did you mean store.path?\n\
         p.yaml:2:14: server.careful is an unknown setting; did you mean store.careful?",
    );
}

/// Checks the settings and origins, or the problems, of three layers.
#[track_caller]
fn check_layers(file: &str, environment: Pairs<'_>, options: Pairs<'_>, expected: &str) {
    let loaded = load(file, environment, options);
    let found = loaded.map_or_else(|problems| problems, |loaded| shown::yaml(&loaded, Comments::Origins));
    assert_eq!(found, expected);
}

#[test]
fn the_command_line_overrides_the_environment_and_the_environment_the_file() {
    check_layers(
        "store:\n  file_bytes_max: 2000\n  path: /file\n  careful: false\n",
        &[
            ("HOPSCOPE_FILE_BYTES_MAX", "3000"),
            ("HOPSCOPE_STORE_PATH", "/variable"),
            ("HOPSCOPE_SERVER_TITLE", ""),
            ("HOPSCOPE_SERVER_KEY", "hush"),
            ("HOME", "/root"),
        ],
        &[("file-bytes-max", "4000")],
        "\
store:
  file_bytes_max: 4000 # --file-bytes-max
  durability: \"disk\" # default
  path: \"/variable\" # HOPSCOPE_STORE_PATH
  careful: false # p.yaml:4:12
server:
  address: \"127.0.0.1:80\" # default
  title: \"server\" # default
  key: \"********\" # HOPSCOPE_SERVER_KEY
  admin_password: \"********\" # default
",
    );
}

#[test]
fn invalid_variables_and_options_are_reported() {
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
fn a_variable_that_resembles_a_setting_is_a_warning_and_variables_of_kubernetes_are_not() {
    let variables = [
        ("HOPSCOPE_FILE_BYTE_MAX", "1"),
        ("HOPSCOPE_PORT", "tcp://10.0.0.1:50051"),
        ("HOPSCOPE_SERVICE_HOST", "10.0.0.1"),
        ("HOPSCOPE_PORT_50051_TCP_ADDR", "10.0.0.1"),
    ];
    let warnings: Vec<String> =
        load("", &variables, &[]).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "HOPSCOPE_FILE_BYTE_MAX: is an unknown setting and has no effect; did you mean HOPSCOPE_FILE_BYTES_MAX?"
        ]
    );
}

#[test]
fn settings_as_yaml_are_read_again_as_equal_settings() {
    let loaded = load(
        "server: {title: \"a: \\\"b\\\" # c\\n\\u2028\", key: null, admin_password: '********'}",
        &[],
        &[],
    );
    let loaded = loaded.unwrap();
    for comments in [Comments::None, Comments::Origins, Comments::Documentation] {
        let shown = shown::yaml(&loaded, comments);
        assert_eq!(load(&shown, &[], &[]).map(|again| again.config), Ok(loaded.config.clone()), "{shown}");
    }
}

#[test]
fn settings_that_need_a_restart_are_retained() {
    let file =
        "store: {file_bytes_max: 2048, durability: memory, careful: false}\nserver: {key: x, title: t}";
    let mut wanted = load(file, &[], &[]).unwrap().config;
    let retained = wanted.retain_restart_only(&Probe::default());
    let retained: Vec<String> = retained.into_iter().map(Setting::path).collect();
    assert_eq!(retained, ["store.durability", "server.title"]);
    let expected = "store: {file_bytes_max: 2048, careful: false, path: /x}\nserver: {key: x}";
    let expected = load(expected, &[], &[]).unwrap().config;
    assert_eq!(wanted, Probe { store: Store { path: None, ..expected.store }, ..expected });
}

proptest! {
    /// Any text yields settings, or problems with valid lines and columns, and the same ones each
    /// time.
    #[test]
    fn any_text_is_settings_or_problems(text in "[a-z0-9_:{}\\[\\],&*<~'\"# \n\t.-]{0,80}|.{0,40}") {
        let layers = Layers { file: Some(("p.yaml".to_owned(), text.clone())), ..Layers::default() };
        let loaded = layers.load::<Probe>();
        prop_assert_eq!(&loaded, &layers.load::<Probe>());
        for problem in loaded.err().unwrap_or_default() {
            // YAML ends a line at a single carriage return as well.
            let lines = text.split(['\n', '\r']).count() as u64 + 1;
            let Origin::File { line, column, .. } = problem.origin else { continue };
            prop_assert!((1..=lines).contains(&line) && column >= 1, "{line}:{column}");
        }
    }

    /// A number is accepted if and only if it is in the range.
    #[test]
    fn numbers_in_the_range_are_accepted(number in prop_oneof![1000_u64..1050, 65_500_u64..65_600, any::<u64>()]) {
        let loaded = load(&format!("store: {{file_bytes_max: {number}}}"), &[], &[]);
        prop_assert_eq!(loaded.is_ok(), (1024..=65_536).contains(&number));
    }
}

#[test]
fn the_defaults_of_the_grpc_server_are_the_defaults_of_the_validation() {
    let config = Config::default();
    assert_eq!(config.grpc.server.batch(), hopscope_core::intake::validate::Limits::default());
}

#[test]
fn every_declaration_is_complete() {
    let settings = Config::settings();
    for setting in &settings {
        let default = Config::default().value(setting);
        let path = setting.path();
        assert!(setting.accepts(&default), "{path}: the default is invalid");
        assert!(
            setting.description().ends_with('.'),
            "{path}: {:?} does not end with a full stop",
            setting.doc
        );
        let same = settings
            .iter()
            .filter(|other| other.option() == setting.option() || other.path() == path)
            .count();
        assert_eq!(same, 1, "{path}: another setting has the same option or path");
        if setting.kind == Kind::Integer {
            let (min, max) = setting.range;
            assert!(min < max && max < u64::MAX, "{path}: no range");
            assert!(!setting.unit.is_empty(), "{path}: no unit");
        }
        // Kubernetes sets such variables in every pod if a service is named hopscope or hopscope-….
        let variable = setting.variable();
        let of_kubernetes = ["_PORT", "_SERVICE_HOST"].iter().any(|end| variable.ends_with(end))
            || ["_PORT_", "_SERVICE_PORT_"].iter().any(|part| variable.contains(part));
        assert!(!of_kubernetes, "{path}: Kubernetes may set {variable}");
        let text = match shown::json(&default) {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        assert_eq!(setting.parse(&text), Ok(default), "{path}: the default cannot be given as text");
    }
}

#[test]
fn the_annotated_defaults_are_the_defaults() {
    let layers = Layers { file: Some(("d.yaml".to_owned(), annotated::<Config>())), ..Layers::default() };
    let loaded = layers.load::<Config>().unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.origins.len(), Config::settings().len());
}
