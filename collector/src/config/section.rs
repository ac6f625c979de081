//! A section of the file, and how it is declared.
//!
//! In: one declaration per setting. Out: a struct with its defaults, and the table that all else is made from: options,
//! variables, checks, documentation, schema. Always holds: a struct has a field for each declared setting and no other.
//!
//! A section is one file beside this one:
//!
//! ```text
//! section! {
//!     /// What it is about.
//!     "journal": Journal {
//!         /// The largest segment.
//!         segment_bytes_max: u64 = 64 << 20, { unit: "bytes", range: (1 << 20, 1 << 30) };
//!         /// Where segments are; nowhere by default.
//!         path: Option<PathBuf> = None;
//!     }
//! }
//! ```
//!
//! The option is then `--journal-segment-bytes-max` and the variable `HOPSCOPE_JOURNAL_SEGMENT_BYTES_MAX`, unless
//! `option:` names a shorter one; `live: true` says that a reload changes it in the running collector, and then
//! [`Live::apply`](crate::runtime::server::Live::apply) has to do that. A line in `config.rs` adds the section to the whole.

use super::setting::Setting;
use super::value::Value;

/// One section: the settings of one room or door.
pub trait Section {
    /// Its key in the file.
    fn name(&self) -> &'static str;
    /// What it is about.
    fn doc(&self) -> &'static str;
    /// The declarations, in the order of the file.
    fn settings(&self) -> &'static [Setting];
    /// The value of a key.
    fn get(&self, key: &str) -> Option<Value>;
    /// Takes a value; `false` when there is no such key or the value is of another type.
    fn set(&mut self, key: &str, value: &Value) -> bool;
}

/// All sections together.
pub trait Sections: Default + Clone + PartialEq {
    /// The sections, in the order of the file.
    fn sections(&self) -> Vec<&dyn Section>;
    /// The same, to be changed.
    fn sections_mut(&mut self) -> Vec<&mut dyn Section>;
    /// What is wrong between settings that are right by themselves: the path of the one to change, and why.
    fn conflicts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// All declarations.
    #[must_use]
    fn settings() -> Vec<&'static Setting> {
        Self::default().sections().into_iter().flat_map(Section::settings).collect()
    }

    /// The value of a setting.
    fn value(&self, setting: &Setting) -> Value {
        let section = self.sections().into_iter().find(|section| section.name() == setting.section);
        section.and_then(|section| section.get(setting.key)).unwrap_or(Value::Absent)
    }

    /// Changes a setting; `false` when the value is of another type.
    fn change(&mut self, setting: &Setting, value: &Value) -> bool {
        let section = self.sections_mut().into_iter().find(|section| section.name() == setting.section);
        section.is_some_and(|section| section.set(setting.key, value))
    }

    /// Puts back what cannot change at run time to what is `in_force`, and says which those were.
    fn keep_what_takes_a_restart(&mut self, in_force: &Self) -> Vec<&'static Setting> {
        let differs = |setting: &&Setting| !setting.live && self.value(setting) != in_force.value(setting);
        let kept: Vec<&'static Setting> = Self::settings().into_iter().filter(differs).collect();
        for setting in &kept {
            self.change(setting, &in_force.value(setting));
        }
        kept
    }
}

/// Declares a section.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:literal: $section:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:ident: $type:ty = $default:expr $(, { $($property:ident: $value:expr),+ $(,)? })?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $section {
            $($(#[doc = $doc])+ pub $key: $type,)+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        impl $section {
            const SETTINGS: &'static [$crate::config::Setting] = &[$(
                $crate::config::Setting {
                    $($($property: $value,)+)?
                    ..$crate::config::Setting::declared::<$type>($name, stringify!($key), concat!($($doc),+))
                },
            )+];
        }

        impl $crate::config::Section for $section {
            fn name(&self) -> &'static str {
                $name
            }

            fn doc(&self) -> &'static str {
                concat!($($about),+).trim_start()
            }

            fn settings(&self) -> &'static [$crate::config::Setting] {
                Self::SETTINGS
            }

            fn get(&self, key: &str) -> Option<$crate::config::Value> {
                use $crate::config::Typed;
                match key {
                    $(stringify!($key) => Some(self.$key.to_value()),)+
                    _ => None,
                }
            }

            fn set(&mut self, key: &str, value: &$crate::config::Value) -> bool {
                use $crate::config::Typed;
                match key {
                    $(stringify!($key) => <$type>::of_value(value).map(|value| self.$key = value).is_some(),)+
                    _ => false,
                }
            }
        }
    };
}

/// Puts sections together.
macro_rules! sections {
    (
        $(#[doc = $about:literal])+
        $config:ident { $($(#[doc = $doc:literal])+ $name:ident: $section:ty,)+ }
        $(conflicts: $conflicts:expr)?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $config {
            $($(#[doc = $doc])+ pub $name: $section,)+
        }

        impl $crate::config::Sections for $config {
            fn sections(&self) -> Vec<&dyn $crate::config::Section> {
                vec![$(&self.$name,)+]
            }

            fn sections_mut(&mut self) -> Vec<&mut dyn $crate::config::Section> {
                vec![$(&mut self.$name,)+]
            }

            $(fn conflicts(&self) -> Vec<(&'static str, String)> {
                $conflicts(self)
            })?
        }
    };
}

pub(crate) use {section, sections};
