#![expect(unreachable_pub, reason = "the macro declares public sections")]

use super::{Conflict, Secret, Section, Sections, SettingType, Value};
use crate::{section, sections};

section! {
    /// Files of the store.
    "store": Store {
        /// Largest size
        /// of a file.
        file_bytes_max: u64 = 4096, { option: "file-bytes-max", unit: "bytes", range: (1024, 65_536), live: true };
        /// Number of files.
        files_max: Option<usize> = None, { unit: "files", range: (1, 10) };
    }
    conflicts: store_conflicts
}

section! {
    /// Access.
    "access": Access {
        /// Whether access is checked.
        enabled: bool = true;
        /// Key of the API.
        key: Option<Secret> = None, { live: true };
        /// Key by its name only.
        token: String = "t".to_owned();
    }
}

sections! {
    /// Both sections.
    Both {
        /// The store.
        store: Store,
        /// Access.
        access: Access,
    }
}

fn store_conflicts(store: &Store) -> Vec<Conflict> {
    if store.files_max == Some(7) {
        vec![("store.files_max", "must not be 7".to_owned())]
    } else {
        Vec::new()
    }
}

#[test]
fn options_and_variables_follow_from_section_and_key() {
    let names: Vec<(String, String)> =
        Both::settings().into_iter().map(|setting| (setting.path(), setting.option())).collect();
    let names: Vec<String> = names.into_iter().map(|(path, option)| format!("{path} --{option}")).collect();
    assert_eq!(
        names,
        [
            "store.file_bytes_max --file-bytes-max",
            "store.files_max --store-files-max",
            "access.enabled --access-enabled",
            "access.key --access-key",
            "access.token --access-token",
        ]
    );
    assert_eq!(Both::settings()[1].variable(), "HOPSCOPE_STORE_FILES_MAX");
    assert_eq!(Both::settings()[0].description(), "Largest size of a file.");
    let secrets: Vec<bool> = Both::settings().into_iter().map(super::Setting::is_secret).collect();
    assert_eq!(secrets, [false, false, false, true, true]);
}

#[test]
fn a_group_reads_and_changes_each_of_its_sections() {
    let mut both = Both::default();
    for (index, text) in ["2048", "7", "false", "k", "u"].into_iter().enumerate() {
        let setting = Both::settings()[index];
        assert!(both.change(setting, &setting.parse(text).unwrap()), "{}", setting.path());
    }
    let expected = Both {
        store: Store { file_bytes_max: 2048, files_max: Some(7) },
        access: Access { enabled: false, key: Some(Secret("k".to_owned())), token: "u".to_owned() },
    };
    assert_eq!(both, expected);
    assert_eq!(both.conflicts(), [("store.files_max", "must not be 7".to_owned())]);
    let retained: Vec<String> =
        both.retain_restart_only(&Both::default()).into_iter().map(super::Setting::path).collect();
    assert_eq!(retained, ["store.files_max", "access.enabled", "access.token"]);
    assert_eq!((both.store.file_bytes_max, both.store.files_max), (2048, None));
}

#[test]
fn values_of_another_type_or_range_are_refused() {
    let setting = Both::settings()[0];
    assert_eq!(setting.parse("1"), Err("must be a whole number from 1024 to 65536".to_owned()));
    assert_eq!(setting.parse("65536"), Ok(Value::Integer(65_536)));
    assert!(!Store::default().set("file_bytes_max", &Value::Boolean(true)));
    assert!(!Store::default().set("unknown", &Value::Integer(1)));
    assert_eq!(Option::<u64>::from_value(&Value::Absent), Some(None));
    assert_eq!(u64::from_value(&Value::Absent), None);
}
