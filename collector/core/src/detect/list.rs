//! The macro that turns the list of detectors into modules, settings and checks.

/// Declares the detectors, one name per line, each a module below `detect`.
macro_rules! detectors {
    ($($name:ident)*) => {
        $(pub mod $name;)*

        $crate::sections! {
            /// Settings of the stage and of each detector.
            Settings {
                /// Limits of the stage.
                limits: Limits,
                $(
                    /// Settings of the detector.
                    $name: $name::Settings,
                )*
            }
        }

        impl Settings {
            /// Names of the detectors.
            pub const DETECTORS: &'static [&'static str] = &[$(<$name::Settings as Detector>::NAME),*];

            /// Whether the detector with this name runs.
            #[must_use]
            pub fn is_enabled(&self, detector: &str) -> bool {
                let enabled: &[(&str, bool)] =
                    &[$((<$name::Settings as Detector>::NAME, self.$name.is_enabled())),*];
                enabled.contains(&(detector, true))
            }

            /// Runs the enabled detectors on one edge.
            fn check(
                &self,
                view: View<'_>,
                now_us: u64,
                report: &mut impl FnMut(&'static str, Option<Finding>),
            ) {
                let _ = (view, now_us, &report);
                $(if self.$name.is_enabled() {
                    report(<$name::Settings as Detector>::NAME, self.$name.check(&view, now_us));
                })*
            }
        }
    };
}

pub(super) use detectors;
