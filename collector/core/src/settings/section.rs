//! Sections of settings, groups of sections, and the macros that declare them.
//!
//! Invariant: the struct of a section has a field for each declared setting and no other field.

use super::setting::Setting;
use super::value::Value;

/// Two settings that are valid on their own and contradict each other: the path of the one to
/// change, and the reason.
pub type Conflict = (&'static str, String);

/// One section of the configuration file: the settings of one stage or server.
pub trait Section {
    /// Key of the section in the file.
    fn name(&self) -> &'static str;
    /// Description of the section.
    fn doc(&self) -> &'static str;
    /// Declarations, in the order of the file.
    fn settings(&self) -> &'static [Setting];
    /// Value of the setting with this key; `None` when there is no such setting.
    fn get(&self, key: &str) -> Option<Value>;
    /// Sets the setting with this key; `false` when there is no such setting, or its type cannot
    /// hold the value.
    fn set(&mut self, key: &str, value: &Value) -> bool;
}

/// One section, or a group of sections.
pub trait Sections: Default + Clone + PartialEq {
    /// The sections, in the order of the file.
    fn sections(&self) -> Vec<&dyn Section>;
    /// The sections as mutable references, in the order of the file.
    fn sections_mut(&mut self) -> Vec<&mut dyn Section>;
    /// Settings that contradict each other.
    fn conflicts(&self) -> Vec<Conflict> {
        Vec::new()
    }

    /// Declarations of all sections.
    #[must_use]
    fn settings() -> Vec<&'static Setting> {
        Self::default().sections().into_iter().flat_map(Section::settings).collect()
    }

    /// Value of a setting.
    fn value(&self, setting: &Setting) -> Value {
        let section = self.sections().into_iter().find(|section| section.name() == setting.section);
        section.and_then(|section| section.get(setting.key)).unwrap_or(Value::Absent)
    }

    /// Changes a setting; `false` when its type cannot hold the value.
    fn change(&mut self, setting: &Setting, value: &Value) -> bool {
        let section = self.sections_mut().into_iter().find(|section| section.name() == setting.section);
        section.is_some_and(|section| section.set(setting.key, value))
    }

    /// Resets the settings that only a restart changes to their values in `current`. Returns the
    /// settings that differed.
    fn retain_restart_only(&mut self, current: &Self) -> Vec<&'static Setting> {
        let differs = |setting: &&Setting| !setting.live && self.value(setting) != current.value(setting);
        let retained: Vec<&'static Setting> = Self::settings().into_iter().filter(differs).collect();
        for setting in &retained {
            self.change(setting, &current.value(setting));
        }
        retained
    }
}

/// Declares a section: a struct with its defaults, and the declarations of its settings.
///
/// [`settings`](crate::settings) has an example. `conflicts:` names a function from the section to
/// its `Conflict`s.
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:literal: $section:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:ident: $type:ty = $default:expr $(, { $($property:ident: $value:expr),+ $(,)? })?;
            )+
        }
        $(conflicts: $conflicts:path)?
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
            const SETTINGS: &'static [$crate::settings::Setting] = &[$(
                $crate::settings::Setting {
                    $($($property: $value,)+)?
                    ..$crate::settings::Setting::declared::<$type>($name, stringify!($key), concat!($($doc),+))
                },
            )+];
        }

        impl $crate::settings::Section for $section {
            fn name(&self) -> &'static str {
                $name
            }

            fn doc(&self) -> &'static str {
                concat!($($about),+).trim_start()
            }

            fn settings(&self) -> &'static [$crate::settings::Setting] {
                Self::SETTINGS
            }

            fn get(&self, key: &str) -> Option<$crate::settings::Value> {
                use $crate::settings::SettingType;
                match key {
                    $(stringify!($key) => Some(self.$key.to_value()),)+
                    _ => None,
                }
            }

            fn set(&mut self, key: &str, value: &$crate::settings::Value) -> bool {
                use $crate::settings::SettingType;
                match key {
                    $(stringify!($key) => <$type>::from_value(value).map(|value| self.$key = value).is_some(),)+
                    _ => false,
                }
            }
        }

        impl $crate::settings::Sections for $section {
            fn sections(&self) -> Vec<&dyn $crate::settings::Section> {
                vec![self]
            }

            fn sections_mut(&mut self) -> Vec<&mut dyn $crate::settings::Section> {
                vec![self]
            }

            $(fn conflicts(&self) -> Vec<$crate::settings::Conflict> {
                $conflicts(self)
            })?
        }
    };
}

/// Declares a group of sections: a struct with one field for each section or group.
#[macro_export]
macro_rules! sections {
    (
        $(#[doc = $about:literal])+
        $group:ident { $($(#[doc = $doc:literal])+ $name:ident: $sections:ty,)* }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $group {
            $($(#[doc = $doc])+ pub $name: $sections,)*
        }

        impl $crate::settings::Sections for $group {
            fn sections(&self) -> Vec<&dyn $crate::settings::Section> {
                let all: &[Vec<&dyn $crate::settings::Section>] =
                    &[$($crate::settings::Sections::sections(&self.$name)),*];
                all.concat()
            }

            fn sections_mut(&mut self) -> Vec<&mut dyn $crate::settings::Section> {
                let all: Vec<Vec<&mut dyn $crate::settings::Section>> =
                    vec![$($crate::settings::Sections::sections_mut(&mut self.$name)),*];
                all.into_iter().flatten().collect()
            }

            fn conflicts(&self) -> Vec<$crate::settings::Conflict> {
                let all: &[Vec<$crate::settings::Conflict>] =
                    &[$($crate::settings::Sections::conflicts(&self.$name)),*];
                all.concat()
            }
        }
    };
}
